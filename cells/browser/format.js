// Numbers, durations and times as people read them. Raw units stay in the CSV.

export function amount(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value === "string") return value; // +Inf and -Inf, for which JSON has no sign
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (unit === "bytes") return bytes(value);
  if (unit === "s") return duration(value);
  const suffix = unit === "1/s" ? " /s" : unit === "ms" ? " ms" : "";
  return plain(value) + suffix;
}

function plain(value) {
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1000) return Math.round(value).toLocaleString("en-US");
  return value.toLocaleString("en-US", { maximumSignificantDigits: 3 });
}

function bytes(value) {
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = value, place = 0;
  while (Math.abs(size) >= 1024 && place < names.length - 1) { size /= 1024; place += 1; }
  return `${size.toLocaleString("en-US", { maximumSignificantDigits: size < 100 ? 3 : 4 })} ${names[place]}`;
}

export function duration(seconds) {
  if (seconds < 0) return `−${duration(-seconds)}`;
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`;
  return `${Math.floor(whole / 86400)} d ${two(Math.floor((whole % 86400) / 3600))} h`;
}

// The zone of this page: ?tz=, else the viewer's own. An unknown name is the viewer's own too.
export function zone() {
  const asked = new URLSearchParams(location.search).get("tz");
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  if (!asked) return own;
  try {
    new Intl.DateTimeFormat("en", { timeZone: asked });
    return asked;
  } catch {
    return own;
  }
}

const formats = new Map();

function parts(ms, tz) {
  if (!formats.has(tz)) {
    formats.set(tz, new Intl.DateTimeFormat("en-CA", {
      timeZone: tz, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
      hour: "2-digit", minute: "2-digit", second: "2-digit",
    }));
  }
  return Object.fromEntries(formats.get(tz).formatToParts(ms).map((part) => [part.type, part.value]));
}

export function clock(ms, tz, withDate) {
  const p = parts(ms, tz);
  const time = `${p.hour}:${p.minute}:${p.second}`;
  return withDate ? `${p.year}-${p.month}-${p.day} ${time}` : time;
}

// With the date, and to the millisecond.
export function exact(ms, tz) {
  return `${clock(ms, tz, true)}.${String(Math.floor(ms) % 1000).padStart(3, "0")}`;
}

// How long ago a moment was, or in how long it will be; of what is a day away, when.
export function ago(ms) {
  const seconds = (Date.now() - ms) / 1000;
  if (Math.abs(seconds) >= 86400) return clock(ms, zone(), true);
  return seconds < -1 ? `in ${duration(-seconds)}` : seconds < 10 ? "now" : `${duration(seconds)} ago`;
}

// Milliseconds to add to UTC to read as local time in the zone.
export function offset(ms, tz) {
  if (tz === "UTC") return 0;
  const p = parts(ms, tz);
  return Date.UTC(p.year, p.month - 1, p.day, p.hour, p.minute, p.second) - Math.floor(ms / 1000) * 1000;
}

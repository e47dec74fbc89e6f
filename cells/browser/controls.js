// What all cells share: range, refresh, cluster, time zone. Native controls, so that they are quick, take one row
// on a phone, and work with keyboard and screen reader. Every value lives in the URL.

import { element, later, panel, redraw, tell } from "./dom.js";
import { clock, zone } from "./format.js";
import { choose, follow, followLinks, pageLink } from "./links.js";

export const RANGES = ["5m", "15m", "1h", "6h", "24h", "7d", "30d"];
const WITHOUT_CELLS = ["notebooks", "audit"]; // pages that are no notebooks themselves
const REFRESH = [["0", "off"], ["5s", "5 s"], ["10s", "10 s"], ["30s", "30 s"], ["60s", "60 s"]];

export function draw({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".cn-root");
  root.cell = data;
  root.send = (change) => setTriggerValue("change", change);
  root.drawnAt = performance.now();
  root.makeSnapshot = (wanted) => setTriggerValue("share", wanted);
  followLinks((page) => setTriggerValue("go", page));
  root.again ??= () => drawAll(root);
  document.addEventListener("cn-zone", root.again);
  root.again();
  stayUntil(data.until);
  return () => document.removeEventListener("cn-zone", root.again);
}

// Drawn anew for what changes, not for what passes: a panel stays open, and what is typed in it.
function drawAll(root) {
  const { share: { now, making, ...share }, ...rest } = root.cell;
  redraw(root, JSON.stringify([rest, share, location.pathname, zone()]), () => build(root, (change) => root.send(change)));
  if (root.share.open) drawShare(root);
}

function build(root, send) {
  const data = root.cell;
  return [
    element("div", { class: "cn-top" }, element("nav", { class: "cn-menu", "aria-label": "Pages" }, ...data.menu.map(([path, title]) =>
      pageLink(`/${path}`, { "aria-current": path === data.here ? "page" : null, "data-focus": `page-${path}` }, title))),
    element("div", { class: "cn-page-acts" }, WITHOUT_CELLS.includes(data.here) ? null : element("button", { type: "button", class: "cn-open-as", "data-focus": "open-as", onclick: openAsNotebook }, "Open as notebook"),
    sharePanel(root))),
    data.share.snapshot ? later("./share-line.js", ({ snapshotLine }, place) => place.append(snapshotLine(data.share.snapshot))) : null,
    element("div", { class: "cn-controls" },
      ...(data.share.snapshot ? [] : [rangeButtons(data, send), rangeSelect(data, send), custom(data, send),
        choice("Refresh", "refresh", REFRESH, data.refresh, send)]), // in a snapshot time stands still
      data.clusters.length > 1 ? choice("Cluster", "cluster", data.clusters.map((name) => [name, name]), data.cluster, send) : null,
      zoneChoice(data), signedIn(data)),
    ...data.notices.map((text) => element("p", { class: "cn-failure", role: "status" }, text)),
  ];
}

function openAsNotebook({ target }) {
  const cells = [...document.querySelectorAll("[data-piece=cell]")].filter(({ cell }) => cell?.takes);
  if (cells.length) follow("/notebook", "*");
  else tell(target, "No cell here to open");
}

// The same node is kept, so that it stays open while a snapshot is made.
function sharePanel(root) {
  root.share ??= panel("Share", () => { root.shared = element("div"); drawShare(root); return root.shared; }, { class: "cn-share" });
  if (root.sharedAt !== location.pathname) root.share.open = false; // it is of another page by now
  root.sharedAt = location.pathname;
  return root.share;
}

function drawShare(root) {
  later("./share.js", (module) => module.drawShare(root, root.shared), root.shared);
}

function rangeButtons(data, send) {
  const own = data.range && !RANGES.includes(data.range) ? [data.range] : [];
  return element("div", { class: "cn-segments", role: "radiogroup", "aria-label": "Range" },
    ...[...RANGES, ...own].map((name) => element("label", { class: name === data.range ? "cn-on" : "" },
      element("input", { type: "radio", name: "cn-range", value: name, checked: name === data.range, "data-focus": `range-${name}`, onchange: () => send({ range: name }) }), name)));
}

// On a phone: the same as one select; its last entry opens the panel for custom times, and is left at once to be chosen again.
function rangeSelect(data, send) {
  const names = data.range && !RANGES.includes(data.range) ? [...RANGES, data.range] : RANGES, now = data.range ?? "";
  const options = [...(now ? [] : [["", stretch(data)]]), ...names.map((name) => [name, name]), ["custom", "Custom…"]];
  const node = choice("Range", "range", options, now, ({ range }) => {
    if (range !== "custom") { send({ range }); return; }
    node.querySelector("select").value = now;
    node.parentElement.querySelector(".cn-custom").open = true;
  }, "cn-narrow");
  return node;
}

const stretch = ({ from, to }) => [from, to].map((ms) => clock(ms, zone(), true).slice(0, 16)).join(" – ");

function choice(label, name, options, value, send, extra = "") {
  const known = options.some(([key]) => key === value) ? options : [...options, [value, value]];
  return element("label", { class: `cn-choice ${extra}` }, element("span", {}, label),
    element("select", { "aria-label": label, "data-focus": name + extra, onchange: (event) => event.target.value && send({ [name]: event.target.value }) },
      ...known.map(([key, text]) => element("option", { value: key, selected: key === value }, text))));
}

// Typed and shown in the page's zone, sent with its offset.
function custom(data, send) {
  const tz = zone(), shown = (ms) => (ms ? clock(ms, tz, true).replace(" ", "T") : "");
  const field = (label, ms) => element("input", { type: "datetime-local", step: "1", "aria-label": label, value: shown(ms) });
  const from = field("From", data.from), to = field("To", data.to);
  const say = element("p", { class: "cn-muted" }, `Times in ${tz}`);
  const apply = () => {
    if (!from.value || !to.value) { say.textContent = "Give both times."; return; }
    if (from.value >= to.value) { say.textContent = "From must be before To."; return; }
    send({ from: moment(from.value, tz), to: moment(to.value, tz) });
  };
  return panel(data.from ? stretch(data) : "Custom", () => {
    if (!from.value) [from.value, to.value] = [shown(Date.now() - 3600e3), shown(Date.now())]; // the last hour, to be changed
    return [element("label", {}, "From ", from), element("label", {}, "To ", to), say, element("button", { type: "button", onclick: apply }, "Show")];
  }, { class: "cn-custom", enter: true, summary: { class: data.from ? "cn-on" : "", "data-focus": "custom" } });
}

// Wall-clock text in a zone as an instant: guess it as UTC, correct by the zone's offset there.
function moment(text, tz) {
  const guess = Date.parse(`${text}Z`);
  const at = (ms) => Date.parse(`${clock(ms, tz, true).replace(" ", "T")}Z`) - ms;
  return new Date(guess - at(guess - at(guess))).toISOString();
}

function zoneChoice(data) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const named = new URLSearchParams(location.search).get("tz"), asked = named && named === zone() ? named : "local";
  const options = [["local", `Local (${own})`], ["UTC", "UTC"], ...data.zones.map((name) => [name, name])];
  return choice("Time zone", "tz", options, asked, ({ tz }) => {
    choose("tz", tz === "local" ? [] : [tz]);
    document.dispatchEvent(new Event("cn-zone")); // every cell draws its times anew
  }, "cn-zone-choice");
}

function signedIn({ person, leave }) {
  if (!person) return null;
  return element("div", { class: "cn-person" }, element("span", { title: person }, person),
    leave ? element("button", { type: "button", "data-focus": "sign-out", onclick: () => signOut(leave) }, "Sign out") : null);
}

// The session ends here first, in every tab; then where it began.
const signedOut = new BroadcastChannel("cn-signed-out");
signedOut.onmessage = () => location.reload(); // the other tabs: the server asks them to sign in, and keeps their way

async function signOut(leave) {
  await fetch("/logout", { method: "POST" }).catch(() => {});
  signedOut.postMessage("");
  location.assign(leave);
}

// The server closes the page's connection then; whoever looks on signs in again, and comes back here.
function stayUntil(ms) {
  clearTimeout(stayUntil.timer);
  if (ms) stayUntil.timer = setTimeout(() => location.reload(), Math.min(Math.max(ms - Date.now(), 0) + 500, 2 ** 31 - 1));
}

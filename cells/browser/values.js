// How a value of a table or of a list of facts is drawn: numbers with units, verdicts as coloured words, slots as a gauge.

import { ago, amount, clock, duration, exact, zone } from "./format.js";
import { element } from "./dom.js";
import { dues } from "./dues.js";
import { pageLink } from "./links.js";

// `value` as `column` says, into `node`. One that leads to a page is an object of the value and its `href`. `of`: whose it is.
export function drawValue(node, value, column, of = "") {
  const { value: plain, href } = apart(value);
  node.classList.add(numeric(column) ? "cn-number" : `cn-kind-${column.kind}`);
  if (plain === null || plain === undefined) {
    node.append(element("span", { class: "cn-muted", title: column.unknown ?? "not known" }, "–"));
    return node;
  }
  const drawn = [draws[column.kind](plain, `${of}/${column.name}`)].flat();
  node.append(...(href ? [pageLink(href, {}, ...drawn)] : drawn));
  return node;
}

const NAMES = 12; // shown of one value: more would push what stands beside them out of sight

export const numeric = (column) => ["number", "rate", "percent", "bytes", "seconds", "gauge"].includes(column.kind);

const INFINITE = new Map([["+Inf", Infinity], ["-Inf", -Infinity]]);

// What a value is sorted and searched by.
export const bare = (value, column) => {
  const plain = apart(value).value;
  if (numeric(column) && INFINITE.has(plain)) return INFINITE.get(plain);
  if (column.kind === "names") return plain?.map((name) => apart(name).value);
  if (column.kind === "bars") return plain?.reduce((sum, [, count]) => sum + count, 0);
  return ["gauge", "side"].includes(column.kind) || (column.kind === "seconds" && Array.isArray(plain)) ? plain?.[0] : column.kind === "verdict" ? plain?.name ?? plain : plain;
};

const apart = (value) => (value !== null && typeof value === "object" && "href" in value ? value : { value });

const draws = {
  text: (value) => value,
  code: (value) => element("code", {}, value),
  number: (value) => amount(value, ""),
  rate: (value) => amount(value, "1/s"),
  percent: (value) => `${amount(value * 100, "")} %`,
  bytes: (value) => amount(value, "bytes"),
  seconds: (value) => Array.isArray(value) ? `≥ ${duration(value[0])}` : typeof value === "string" ? value : duration(value),
  bars: (value) => bars(value),
  names: (value, key) => [...value.slice(0, NAMES).map(chip),
    ...(value.length > NAMES ? [unfolds(key, `and ${value.length - NAMES} more`, () => value.slice(NAMES).map(chip))] : [])],
  verdict: (value) => value.evidence ? judged(value) : verdict(value),
  side: ([value, names], key) => [value ? element("code", {}, value) : "", " ", ...draws.names(names, key)],
  said: ([text, at]) => [text, at === null ? "" : " ", at === null ? "" : draws.moment(at)],
  state: (value) => element("span", { class: `cn-verdict cn-state-${value}` }, value),
  flags: (value) => value.map(([text, tone, title]) => element("span", { class: `cn-verdict cn-flag-${tone}`, title }, text)),
  moment: (value) => element("span", { title: `${clock(value, "UTC", true)} UTC`, "data-moment": value }, ago(value)), // which cell.js keeps true
  time: (value) => element("span", { title: `${exact(value, "UTC")} UTC` }, exact(value, zone())),
  gauge: ([used, all]) => [
    element("span", { class: "cn-gauge", "aria-hidden": "true" }, element("i", { style: `width:${all ? Math.min(100, (100 * used) / all) : 0}%` })),
    `${amount(used, "")} / ${all === null ? "–" : amount(all, "")}`,
  ],
  spark: (value) => spark(value),
  dues: (value) => dues(value),
};

const chip = (name) => name?.href ? pageLink(name.href, { class: "cn-chip" }, name.value) : element("span", { class: "cn-chip" }, name);

// Counts side by side, each under its label.
function bars(values) {
  const most = Math.max(...values.map(([, count]) => count), 1);
  return element("span", { class: "cn-steps", role: "img", "aria-label": values.map(([label, count]) => `${label}: ${amount(count, "")}`).join(", ") },
    ...values.map(([label, count]) => element("span", { title: `${label}: ${amount(count, "")}` },
      element("i", { style: `height:${count ? Math.max(8, (100 * count) / most) : 0}%` }), element("small", {}, label))));
}

const verdict = (name) => element("span", { class: `cn-verdict cn-is-${name}` }, name.replaceAll("_", " "));

// A verdict that opens to its evidence: what each witness says, and when.
const judged = ({ name, evidence, key }) => unfolds(key, verdict(name), () => [element("dl", {}, ...evidence.flatMap(([witness, text, at]) => [
  element("dt", {}, witness), element("dd", {}, draws.said([text, at]))]))]);

const unfolded = new Set(); // what is read: a refresh draws the table anew

// What few look at: drawn when it is opened.
function unfolds(key, label, build) {
  const fill = () => { if (node.children.length === 1) node.append(...build()); };
  const node = element("details", { class: "cn-unfolds", open: unfolded.has(key), ontoggle: () => {
    unfolded[node.open ? "add" : "delete"](key);
    if (node.open) fill();
  } }, element("summary", { "data-focus": `unfold-${key}` }, label));
  if (node.open) fill();
  return node;
}

function spark(values) {
  const known = values.filter((value) => value !== null);
  const high = Math.max(...known, 0), space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 100 20");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("class", "cn-spark");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `up to ${amount(high, "1/s")}`);
  const line = document.createElementNS(space, "path");
  let drawn = "", pen = "M";
  values.forEach((value, k) => {
    if (value === null) { pen = "M"; return; }
    drawn += `${pen}${((100 * k) / Math.max(1, values.length - 1)).toFixed(1)} ${(19 - (high ? (18 * value) / high : 0)).toFixed(1)}`;
    pen = "L";
  });
  line.setAttribute("d", drawn);
  svg.append(line);
  return svg;
}

// How a value of a table or of a list of facts is drawn: numbers with units, verdicts as coloured words, slots as a gauge.

import { amount, clock, duration, exact, zone } from "./format.js";
import { element } from "./dom.js";
import { pageLink } from "./links.js";

// `value` as `column` says, into `node`. One that leads to a page is an object of the value and its `href`.
export function drawValue(node, value, column) {
  const { value: plain, href } = apart(value);
  node.classList.add(numeric(column) ? "cn-number" : `cn-${column.kind}`);
  if (plain === null || plain === undefined) {
    node.append(element("span", { class: "cn-muted", title: column.unknown ?? "not known" }, "–"));
    return node;
  }
  const drawn = [draws[column.kind](plain, column)].flat();
  node.append(...(href ? [pageLink(href, {}, ...drawn)] : drawn));
  return node;
}

export const numeric = (column) => ["number", "rate", "percent", "bytes", "seconds", "gauge"].includes(column.kind);

// What a value is sorted and searched by.
export const bare = (value, column) => {
  const plain = apart(value).value;
  return column.kind === "gauge" ? plain?.[0] : plain;
};

const apart = (value) => (value !== null && typeof value === "object" && "href" in value ? value : { value });

const draws = {
  text: (value) => value,
  code: (value) => element("code", {}, value),
  number: (value) => amount(value, ""),
  rate: (value) => amount(value, "1/s"),
  percent: (value) => `${amount(value * 100, "")} %`,
  bytes: (value) => amount(value, "bytes"),
  seconds: (value) => duration(value),
  names: (value) => value.map((name) => element("span", { class: "cn-chip" }, name)),
  verdict: (value) => element("span", { class: `cn-verdict cn-is-${value}` }, value.replaceAll("_", " ")),
  state: (value) => element("span", { class: `cn-verdict cn-state-${value}` }, value),
  flags: (value) => value.map(([text, tone, title]) => element("span", { class: `cn-verdict cn-flag-${tone}`, title }, text)),
  moment: (value) => {
    const ago = (Date.now() - value) / 1000;
    return element("span", { title: `${clock(value, "UTC", true)} UTC` }, ago < 10 ? "now" : ago < 86400 ? `${duration(ago)} ago` : clock(value, zone(), true));
  },
  gauge: ([used, all]) => [
    element("span", { class: "cn-gauge", "aria-hidden": "true" }, element("i", { style: `width:${all ? Math.min(100, (100 * used) / all) : 0}%` })),
    `${amount(used, "")} / ${all === null ? "–" : amount(all, "")}`,
  ],
  time: (value) => element("span", { title: `${exact(value, "UTC")} UTC` }, exact(value, zone())),
  spark: (value) => spark(value),
};

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

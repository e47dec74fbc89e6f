// A threshold: whether it holds, and the value that decides it. What cannot be told is neither green nor red.

import { element, redraw } from "./dom.js";
import { amount } from "./format.js";

const WORDS = { holds: "holds", fails: "does not hold", unknown: "cannot tell", pending: "asking" };
const SIGNS = { holds: "✓", fails: "✗", unknown: "?", pending: "…" };

export function draw({ data, parentElement }) {
  const root = parentElement.querySelector(".cn-root") ?? parentElement;
  root.id = data.name;
  root.cell = data;
  root.dataset.piece = "threshold";
  redraw(root, JSON.stringify(data), () => element("section", { class: `cn-cell cn-threshold cn-threshold-${data.state}` },
    element("p", { role: "status" },
      element("span", { class: "cn-threshold-sign", "aria-hidden": "true" }, SIGNS[data.state]),
      element("strong", {}, data.title || data.says), " ", element("span", { class: "cn-threshold-word" }, WORDS[data.state]),
      data.value === null ? null : [": ", element("b", {}, amount(data.value, data.unit))],
      data.series ? element("span", {}, " ", element("code", {}, data.series)) : null),
    element("p", { class: "cn-muted" }, data.why || data.says),
    data.line ? element("p", {}, data.line) : null));
  return () => {};
}

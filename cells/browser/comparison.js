// Two runs side by side; what differs is marked.

import { element } from "./dom.js";
import { lookup } from "./lookup.js";
import { drawValue } from "./values.js";

export function drawComparison({ rows }) {
  if (!rows.length) return [];
  return element("div", { class: "cn-scroll" }, element("table", { class: "cn-table cn-comparison" },
    element("thead", {}, element("tr", {}, ...["", "this one", "the other"].map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map(({ fact, other, differs, note }) => element("tr", { class: differs ? "cn-differs" : "" },
      element("th", { scope: "row", title: fact.help || null }, fact.label, differs ? element("span", { class: "cn-muted" }, " differs") : null),
      value(fact.value, fact, note), value(other, fact))))));
}

export const compareWith = (id) =>
  lookup({ title: "", line: "Compare it with the task of this id:", page: "/task", field: "with", params: { id } });

function value(value, fact, note) {
  const cell = drawValue(element("td"), value, fact);
  if (note) cell.append(element("span", { class: "cn-muted" }, `  ${note}`));
  return cell;
}

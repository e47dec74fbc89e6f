// The fields of each kind of cell. Each writes into the value that the form edits; `again` draws them anew, when there are
// other fields now.

import { RANGES } from "./controls.js";
import { element } from "./dom.js";
import { area, choice, text } from "./notebook-inputs.js";
import { whatIsKnown } from "./notebook-known.js";
import { questionFields } from "./notebook-question.js";

export function fieldsOf(type, value, again, apply) {
  return fields[type](value, again, apply).flat().filter(Boolean);
}

const fields = {
  prose: (value) => [area(value, "text", "Markdown", { rows: 8, help: "# heading, **bold**, - list, `code`, [link](/queues). HTML and images are not drawn." })],
  ask: (value, again, apply) => [questionFields(value, again, apply), heading(value), ownRange(value)],
  sql: (value) => [area(value, "text", "SELECT", { rows: 6, code: true, help: tablesHelp(value) }), heading(value),
    element("div", { class: "cn-form-row" }, choice(value, "chart", "Shown as", whatIsKnown().sql_charts), name(value))],
  threshold: (value, again) => [element("div", { class: "cn-form-row" },
    choice(value, "measure", "The", whatIsKnown().measures),
    column(value),
    choice(value, "of", "of the cell", whatIsKnown().measured, again),
    choice(value, "op", "must be", whatIsKnown().ops),
    text(value, "limit", "limit", { inputmode: "decimal" })),
  element("p", { class: "cn-muted" }, "In the column's own unit: seconds, bytes, a rate per second. Of several series the worst counts."), heading(value),
  element("div", { class: "cn-form-row" }, choice(value, "sparse", "Where Prometheus has no series", [["", "it is not known"], ["yes", "there is nothing, as with x > 0"]]), name(value))],
};

const heading = (value) => element("div", { class: "cn-form-row" }, text(value, "title", "Title"), text(value, "line", "One line: what to conclude", { wide: true }));
const name = (value) => text(value, "name", "Name in SQL and thresholds", { spellcheck: "false" });

function column(value) {
  const names = whatIsKnown().columns[value.of] ?? ["value"];
  return text(value, "column", "of column", { list: names, spellcheck: "false" });
}

function ownRange(value) {
  const own = { range: value.range ?? "" };
  const options = [["", "the page's"], ...RANGES.map((one) => [one, `always ${one}`])];
  const made = choice(own, "range", "Range", options);
  made.addEventListener("change", () => { value.range = own.range; });
  return element("div", { class: "cn-form-row" }, made, name(value));
}

function tablesHelp(value) {
  const tables = whatIsKnown().measured.filter((one) => one !== value.name);
  return `Tables: ${tables.map((one) => `${one} (${(whatIsKnown().columns[one] ?? []).join(", ") || "not asked yet"})`).join("; ")}`;
}

// The fields of each kind of cell. Each writes into the value that the form edits; `again` draws them anew, when there are
// other fields now.

import { element } from "./dom.js";
import { whatIsKnown } from "./notebook-known.js";
import { questionFields } from "./notebook-question.js";

const RANGES = ["5m", "15m", "1h", "6h", "24h", "7d", "30d"];

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

export function labelled(label, control, help = "") {
  return element("label", {}, element("span", {}, label), control, help ? element("small", { class: "cn-muted" }, help) : null);
}

export function text(value, field, label, { wide, list, ...attributes } = {}) {
  const box = element("input", { type: "text", name: field, "aria-label": label, spellcheck: "true", autocomplete: "off", ...attributes, oninput: (event) => { value[field] = event.target.value; } });
  box.value = value[field] ?? "";
  const made = labelled(label, list ? [box, suggestions(box, list)] : box);
  if (wide) made.classList.add("cn-wide");
  return made;
}

let lists = 0;

export function suggestions(box, names) {
  const id = `cn-known-${(lists += 1)}`;
  box.setAttribute("list", id);
  return element("datalist", { id }, ...names.slice(0, 200).map((one) => element("option", { value: one })));
}

export function area(value, field, label, { rows = 4, code = false, help = "" } = {}) {
  const box = element("textarea", { name: field, rows: Math.max(rows, Math.min(20, String(value[field]).split("\n").length + 1)), class: code ? "cn-code-area" : null, "aria-label": label,
    spellcheck: code ? "false" : "true", oninput: (event) => { value[field] = event.target.value; } });
  box.value = value[field];
  return labelled(label, box, help);
}

// `options`: texts, or pairs of value and label.
export function choice(value, field, label, options, again) {
  const known = options.map((option) => [option].flat()).map(([one, shown]) => [one, shown ?? one]);
  const all = known.some(([one]) => one === value[field]) ? known : [[value[field], value[field]], ...known];
  return labelled(label, element("select", { name: field, "aria-label": label, onchange: (event) => { value[field] = event.target.value; again?.(); } },
    ...all.map(([one, shown]) => element("option", { value: one, selected: one === value[field] }, shown))));
}

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

// A table cell: real table markup, numbers on the right.
// Sorting and filtering are the viewer's: they live in the URL, and never ask the server. But of a list that has pages:
// that is sorted where it is read, by a link.

import { amount, zone } from "./format.js";
import { element, replace } from "./dom.js";
import { changeLink, choose, chosen } from "./links.js";
import { picksOf } from "./picks.js";
import { bare, drawValue, numeric } from "./values.js";

const FIRST = 50; // rows drawn at once; the rest a click away
const SHORT = 12; // rows that are looked through faster than filtered

export function drawTable(body, data) {
  const state = body.state ??= { shown: FIRST }, order = orderOf(data), text = chosen(`${data.name}.filter`)[0] ?? "";
  body.data = data;
  const paged = data.table.columns.some((column) => column.sort) ? data.pages : null;
  const turns = paged ?? ("before" in (data.pages ?? {}) ? data.pages : null);
  const picks = picksOf(data.name);
  const shown = JSON.stringify([data.table, turns, state, order, text, picks?.chosen(), zone()]);
  if (body.shown === shown) return;
  body.shown = shown;
  const { columns, rows, apart } = data.table;
  if (!rows.length && !apart.length) {
    const empty = data.table.empty.length ? element("div", { class: "cn-empty" }, ...data.table.empty.map(paragraph)) : null;
    body.replaceChildren(...[empty, turns && turning(turns)].filter(Boolean));
    return;
  }
  const again = () => drawTable(body, data);
  const wanted = text.toLowerCase();
  const matches = (row) => !wanted || row.some((value, place) => String(bare(value, columns[place]) ?? "").toLowerCase().includes(wanted));
  const sorted = paged ? rows : sort(rows.filter(matches), columns, order);
  const beside = sort(apart.filter(matches), columns, order);
  const nameOf = (row) => bare(row[0], columns[0]);
  picks?.list([...new Set(sorted.map(nameOf))]);
  const first = (row, boxed) => {
    const node = drawValue(element("td"), row[0], columns[0], nameOf(row));
    if (boxed) node.prepend(picks.box(nameOf(row)));
    return node;
  };
  const head = () => element("thead", {}, element("tr", {}, ...columns.map((column, place) => paged ? pagedHeader(column, paged) : header(column, place, order, data, again))));
  const table = (shown, boxed) => element("div", { class: "cn-scroll" }, element("table", { class: "cn-table" }, head(),
    element("tbody", {}, ...shown.map((row) => element("tr", {}, first(row, boxed), ...columns.slice(1).map((column, place) => drawValue(element("td"), row[place + 1], column, nameOf(row))))))));
  const scrolled = body.querySelector(".cn-scroll")?.scrollLeft ?? 0;
  replace(body, () => [
    !paged && (rows.length + apart.length > SHORT || wanted) ? filterOf(body, text) : null,
    table(sorted.slice(0, state.shown), Boolean(picks)),
    sorted.length > state.shown ? element("button", { type: "button", "data-focus": "more", onclick: () => { state.shown += 500; again(); } },
      `Show ${Math.min(500, sorted.length - state.shown)} more of ${sorted.length}`) : null,
    beside.length ? element("details", { class: "cn-apart", open: state.apart, ontoggle: (event) => { state.apart = event.target.open; } },
      element("summary", { "data-focus": "apart" }, `${data.table.apart_label} (${beside.length})`), table(beside)) : null,
    turns && turning(turns),
    data.table.left_out ? element("p", { class: "cn-muted" }, `${amount(data.table.left_out, "")} more are in the CSV`) : null,
  ]);
  if (scrolled) body.querySelector(".cn-scroll").scrollLeft = scrolled; // which has everything laid out at once
}

export function paragraph(text) {
  return text.startsWith("$ ") ? element("pre", {}, text.slice(2)) : element("p", {}, text);
}

// The same node is kept, with the cursor of whoever types.
function filterOf(body, text) {
  const box = body.filter ??= element("input", { type: "search", placeholder: "Filter", "aria-label": "Filter rows", class: "cn-filter", "data-focus": "filter",
    oninput: () => {
      choose(`${body.data.name}.filter`, box.value ? [box.value] : []);
      drawTable(body, body.data);
    } });
  if (box.value !== text) box.value = text;
  return box;
}

function header(column, place, order, data, again) {
  const [sorted, down] = order ?? [];
  const direction = sorted === column.name ? (down ? "descending" : "ascending") : "none";
  return element("th", { "aria-sort": direction, class: numeric(column) ? "cn-number" : "" },
    element("button", { type: "button", title: column.help ?? "", "data-focus": `head-${place}`, onclick: () => {
      const falling = sorted === column.name ? !down : numeric(column);
      choose(`${data.name}.sort`, [(falling ? "-" : "") + column.name]);
      again();
    } }, column.label, direction === "none" ? "" : down ? " ↓" : " ↑"));
}

function pagedHeader(column, { sort }) {
  const down = sort.startsWith("-"), sorted = column.sort && sort.replace("-", "") === column.sort;
  const next = sorted && down ? column.sort : `-${column.sort}`;
  return element("th", { "aria-sort": sorted ? (down ? "descending" : "ascending") : null, class: numeric(column) ? "cn-number" : "", title: column.help || null },
    column.sort ? changeLink({ sort: next, after: null }, { "data-focus": `sort-${column.name}` }, column.label, sorted ? (down ? " ↓" : " ↑") : "") : column.label);
}

// The way to the next page; the one before is the browser's.
function turning(pages) {
  const by = "before" in pages ? "before" : "after", next = pages[by];
  if (pages.first && !next) return null;
  return element("p", { class: "cn-turning" },
    pages.first ? null : changeLink({ [by]: null }, { "data-focus": "page-first" }, "First page"),
    next ? changeLink({ [by]: next }, { "data-focus": "page-next" }, "Next page") : element("span", { class: "cn-muted" }, "The end of the list"));
}

function sort(rows, columns, order) {
  const place = order ? columns.findIndex((column) => column.name === order[0]) : -1;
  if (place < 0) return rows;
  const sign = order[1] ? -1 : 1;
  const missing = (value) => value === null || value === undefined;
  const value = (row) => bare(row[place], columns[place]);
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (missing(x) || missing(y)) return missing(x) - missing(y); // unknown stands last, whichever way
    return sign * (typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true }));
  });
}

// Column, and whether it falls.
function orderOf(data) {
  const [text] = chosen(`${data.name}.sort`);
  return text ? [text.replace(/^-/, ""), text.startsWith("-")] : null;
}

// The editor of what is explored: a row for each query, with its letter, its colour and how it fared; how they are shown;
// queries of one's own from before, which this browser alone keeps; and a few to begin with. What is run becomes the URL.

import { element, panel, redraw } from "./dom.js";
import { changeLink } from "./links.js";
import { draw as drawEditor } from "./promql-editor.js";
import { formatted } from "./promql-suggest.js";
import { recall, remember } from "./explore-history.js";

const CHARTS = [["lines", "Lines"], ["stacked", "Stacked"], ["points", "Points"]];

export function draw({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".cn-root");
  root.cell = data;
  root.send = (message) => setTriggerValue("say", message);
  if (!root.rows) build(root);
  if (!insists(root)) keepTo(root, data);
  show(root);
  return () => {};
}

function show(root) {
  drawBar(root);
  drawStarters(root);
  root.rows.forEach((row, at) => drawRow(root, row, at));
}

function build(root) {
  root.rows = [];
  root.bar = element("div", { class: "cn-explore-bar" });
  root.list = element("div", { class: "cn-explore-queries" });
  root.starters = element("div");
  root.append(root.list, root.bar, root.starters);
}

// --- the rows ---------------------------------------------------------------------------------------------------

// What the URL says counts. A refresh that was under way while it changed may have told the server of the address before:
// then it is told again, once, and nothing here is touched.
function insists(root) {
  const { queries, instant, chart, explain } = root.cell, search = new URLSearchParams(location.search);
  const said = { q: search.getAll("q").filter((text) => text.trim()), off: search.getAll("off"), instant: search.getAll("instant").filter((one) => one === "1"),
    chart: [search.get("chart") || CHARTS[0][0]], explain: search.getAll("explain").filter(Boolean) };
  const served = { q: queries.map(({ text }) => text), off: queries.filter(({ on }) => !on).map(({ letter }) => letter), instant: instant ? ["1"] : [], chart: [chart], explain: explain ? [explain] : [] };
  const behind = JSON.stringify(said) !== JSON.stringify(served), again = root.insisted === location.search;
  root.insisted = behind ? location.search : null;
  if (behind && !again) root.send(said);
  return behind && !again; // a second time it is what the server makes of it
}

// The rows as they are served. Where that is what stands here already, nothing is touched: somebody may be typing.
function keepTo(root, { queries, instant, chart, explain }) {
  const served = JSON.stringify([queries.map(({ text, on }) => [text, on]), instant, chart, explain]);
  if (root.served === served) return;
  root.served = served;
  while (root.rows.length > Math.max(queries.length, 1)) drop(root, root.rows.length - 1);
  queries.forEach(({ text, on }, at) => {
    const row = root.rows[at] ?? add(root, "");
    row.on = on;
    if (row.editor.text().trim() !== text.trim()) row.editor.set(text, false);
  });
  if (!root.rows.length) add(root, "");
  if (!queries.length && root.rows[0].editor.text()) root.rows[0].editor.set("", false);
}

function add(root, text) {
  const row = { on: true, at: root.rows.length };
  row.badge = element("button", { type: "button", class: "cn-letter", onclick: () => { row.on = !row.on; run(root); } });
  row.told = element("div", { class: "cn-muted cn-explore-told", role: "status" });
  const place = element("div", { class: "cn-explore-editor" });
  row.buttons = element("div", { class: "cn-explore-buttons" });
  row.node = element("div", { class: "cn-explore-query" }, row.badge, place, row.buttons, row.told);
  root.list.append(row.node);
  row.editor = drawEditor(place, {
    value: text, label: "PromQL query", placeholder: "PromQL, such as sum by (name) (rate(celery_task_succeeded_total[5m]))",
    params: () => root.cell.scope, onApply: () => run(root), onInput: () => drawRow(root, row, root.rows.indexOf(row)),
  });
  root.rows.push(row);
  return row;
}

function drop(root, at) {
  root.rows[at].node.remove();
  root.rows.splice(at, 1);
}

function drawRow(root, row, at) {
  const [letter, colour] = root.cell.letters[at], served = root.cell.queries[at];
  const text = row.editor.text().trim(), ran = served && served.text.trim() === text;
  row.badge.textContent = letter;
  row.badge.style.setProperty("--letter", colour);
  row.badge.setAttribute("aria-pressed", String(row.on));
  row.badge.setAttribute("aria-label", `Query ${letter}: ${row.on ? "on" : "off"}`);
  row.badge.title = row.on ? "Leave it out" : "Ask it again";
  row.node.classList.toggle("cn-explore-off", !row.on);
  row.told.textContent = !text ? "" : ran ? served.told : "changed: Ctrl+Enter runs it";
  if (ran) row.editor.mark(served.problem);
  redraw(row.buttons, JSON.stringify([at, Boolean(text), root.rows.length > 1, root.cell.explain === letter]), () => [
    text ? element("button", { type: "button", "data-focus": "format", onclick: () => layOut(root, row) }, "Format") : null,
    text ? element("button", { type: "button", "data-focus": "explain", "aria-pressed": String(root.cell.explain === letter),
      onclick: () => run(root, { explain: root.cell.explain === letter ? null : row }) }, "Explain") : null,
    root.rows.length > 1 ? element("button", { type: "button", "data-focus": "remove", "aria-label": `Remove query ${letter}`, title: "Remove", onclick: () => { drop(root, root.rows.indexOf(row)); show(root); run(root); } }, "×") : null,
  ]);
}

async function layOut(root, row) {
  const text = row.editor.text();
  try {
    const better = await formatted(text, root.cell.scope);
    if (row.editor.text() === text) row.editor.set(better);
  } catch (error) {
    row.editor.mark({ place: null, message: error.message });
  }
}

// --- what is run ------------------------------------------------------------------------------------------------

// Of all rows that hold something; `explain`: the row that is taken apart, null for none; else as it was.
function run(root, { instant = root.cell.instant, chart = root.cell.chart, explain } = {}) {
  const kept = root.rows.filter((row) => row.editor.text().trim());
  const letter = (row) => root.cell.letters[kept.indexOf(row)]?.[0];
  const explained = explain === undefined ? root.rows.find((_, at) => root.cell.letters[at][0] === root.cell.explain) : explain;
  const texts = kept.map((row) => row.editor.text().trim());
  remember(texts);
  root.send({
    q: texts, off: kept.filter((row) => !row.on).map(letter), instant: instant ? ["1"] : [], chart: [chart],
    explain: explained && letter(explained) ? [letter(explained)] : [],
  });
}

function drawBar(root) {
  const { instant, chart, letters } = root.cell;
  redraw(root.bar, JSON.stringify([instant, chart, root.rows.length]), () => [
    element("button", { type: "button", class: "cn-explore-run", "data-focus": "run", title: "Ctrl+Enter", onclick: () => run(root) }, "Run"),
    root.rows.length < letters.length ? element("button", { type: "button", "data-focus": "add", onclick: () => { add(root, "").editor.focus(); show(root); } }, "Add a query") : null,
    segments("Over which time", [["", "Range"], ["1", "Instant"]], instant ? "1" : "", (value) => run(root, { instant: value === "1" })),
    instant ? null : segments("Drawn as", CHARTS, chart, (value) => run(root, { chart: value })),
    mine(root),
  ]);
}

function segments(label, choices, value, send) {
  return element("div", { class: "cn-segments", role: "radiogroup", "aria-label": label },
    ...choices.map(([key, text]) => element("label", { class: key === value ? "cn-on" : "" },
      element("input", { type: "radio", name: `cn-explore-${label}`, value: key, checked: key === value, "data-focus": `${label}-${key}`, onchange: () => send(key) }), text)));
}

// --- queries of one's own, and some to begin with -----------------------------------------------------------------

function mine(root) {
  const take = (text) => {
    const row = root.rows.find(({ editor }) => !editor.text().trim()) ?? (root.rows.length < root.cell.letters.length ? add(root, "") : root.rows.at(-1));
    row.editor.set(text);
    opened.open = false;
    run(root);
  };
  const opened = panel("My queries", () => {
    const texts = recall();
    if (!texts.length) return element("p", { class: "cn-muted" }, "What you run is kept here, in this browser alone.");
    return [...texts.map((text) => element("button", { type: "button", class: "cn-explore-old", onclick: () => take(text) }, text)),
      element("button", { type: "button", onclick: () => { remember(null); opened.open = false; } }, "Forget all")];
  }, { class: "cn-custom cn-explore-mine" });
  return opened;
}

function drawStarters(root) {
  redraw(root.starters, JSON.stringify(root.cell.starters), () => root.cell.starters.length ? element("div", { class: "cn-empty" },
    element("p", {}, "Write a query above: names, labels and values are suggested as you type, and Ctrl+Enter runs it. Or begin with one that finds something here:"),
    element("ul", { class: "cn-explore-starters" }, ...root.cell.starters.map(({ title, text, advice }) => element("li", {},
      changeLink({ q: [text] }, { "data-focus": `starter-${title}` }, title), element("span", { class: "cn-muted" }, ` ${advice}`))))) : []);
}

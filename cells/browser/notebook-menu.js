// What a cell can be, and what each kind is for.

import { element, panel } from "./dom.js";
import { whatIsKnown } from "./notebook-known.js";
import { say } from "./notebook-say.js";

const KINDS = [
  ["prose", "Text", "what you ask, what you see, what to do"],
  ["series", "Series", "throughput, failures, depth, wait, runtime, memory over time"],
  ["promql", "PromQL", "anything your Prometheus knows"],
  ["queues", "Queues", "what waits now"],
  ["workers", "Workers", "who works now"],
  ["tasks", "Tasks", "a search in what ran"],
  ["inspect", "Inspect", "what workers answer: active, reserved, stats, conf"],
  ["sql", "SQL", "joins and sums over other cells' answers"],
  ["threshold", "Threshold", "what must hold: green or red, for you and for CI"],
];
const READS = ["sql", "threshold"]; // of other cells

// A thin line between two cells, with a menu behind it.
export function addMenu(after) {
  const menu = panel(element("span", {}, "+"), () => element("div", { class: "cn-kinds" }, ...items(after, whatIsKnown().measured.length, () => { menu.open = false; })),
    { class: "cn-insert", summary: { "aria-label": "Add a cell here", title: "Add a cell here", "data-focus": `insert-${after}` }, enter: true });
  return menu;
}

// All of them at the end of the notebook; what each is for is said at once where there is nothing else yet.
export function allKinds({ after, empty, reads }) {
  return [
    empty ? element("div", { class: "cn-empty" },
      element("p", {}, "A notebook is an argument: a question, the numbers that answer it, and what must hold from now on."),
      element("p", {}, "Begin with any cell below. On every page, each cell has a button ", element("strong", {}, "To notebook"), " that brings it here; ",
        element("strong", {}, "Open as notebook"), " at the top of a page brings all of them. Everything is kept as you go.")) : null,
    element("h3", { class: "cn-add-head" }, "Add a cell"),
    element("div", { class: "cn-kinds cn-all-kinds", role: "group", "aria-label": "Add a cell" }, ...items(after, reads, () => {})),
  ].filter(Boolean);
}

// `reads`: whether there is a cell that others can read.
function items(after, reads, done) {
  return KINDS.map(([kind, label, line]) => element("button", { type: "button", disabled: !reads && READS.includes(kind), "data-focus": `add-${kind}-${after}`,
    onclick: () => { done(); say({ do: "add", kind, after }); } },
  element("strong", {}, label), element("span", { class: "cn-muted" }, !reads && READS.includes(kind) ? "needs another cell to read" : line)));
}

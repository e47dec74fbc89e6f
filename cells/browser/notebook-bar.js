// What stands above a cell of a notebook: where another is added, what changes this one, and its form. Prose stands here
// too. Without a name it is the end of the notebook.

import { element, panel, redraw } from "./dom.js";
import { proseNodes } from "./prose.js";
import { closesForm, drawForm, isOpen, openForm } from "./notebook-form.js";
import { addMenu, allKinds } from "./notebook-menu.js";
import { say } from "./notebook-say.js";

export function drawBar(root) {
  const { cell } = root;
  root.id = cell.prose ? cell.name : "";
  if (!root.children.length) root.append(...["insert", "tools", "editor", "body"].map((part) => element("div", { class: `cn-bar-${part}` })));
  const [insert, tools, editor, body] = root.children;
  if (!cell.name) {
    redraw(insert, JSON.stringify(cell), () => allKinds(cell));
    return;
  }
  for (const part of [insert, editor]) part.hidden = cell.sealed;
  tools.hidden = cell.sealed && !cell.folds;
  if (!cell.sealed) { drawParts(root); return; }
  redraw(tools, JSON.stringify(cell), () => (cell.folds ? fold(cell) : []));
  drawBody(root, body);
}

function drawParts(root) {
  const { cell } = root, [insert, tools, editor, body] = root.children;
  closesForm(cell);
  redraw(insert, cell.after, () => addMenu(cell.after));
  if (!tools.querySelector("details[open]")) redraw(tools, JSON.stringify([cell, isOpen(cell.name)]), () => drawTools(root));
  stayAt(tools);
  root.redraw = () => drawBar(root);
  drawForm(root, editor);
  welcome(root);
  drawBody(root, body);
}

function drawBody({ cell }, body) {
  redraw(body, JSON.stringify([cell.prose, cell.collapsed, cell.trouble]), () => [
    cell.trouble ? element("p", { class: "cn-failure", role: "status" }, cell.trouble) : null,
    cell.prose && !cell.collapsed ? Object.assign(element("div", { class: "cn-prose", "data-piece": "prose" }, ...proseNodes(cell.prose)), { cell: { tree: cell.prose } }) : null,
  ]);
}

// Whoever moves a cell by keyboard goes on where it is then, drawn anew.
let pressed = "";

function stayAt(tools) {
  const again = pressed && tools.querySelector(`[data-focus="${CSS.escape(pressed)}"]`);
  if (again && document.activeElement === document.body) again.focus({ preventScroll: true });
}

// The number of the message that added a cell last: it is looked at, and a new one is opened.
let added = 0;

function welcome(root) {
  const [number, , opens] = root.cell.fresh ?? [0];
  if (number <= added) return;
  added = number;
  if (opens) openForm(root, root.redraw);
  requestAnimationFrame(() => root.scrollIntoView({ block: "nearest" }));
}

// Opens a collapsed cell; one that was opened to be read is closed again.
function fold({ name, title, collapsed }) {
  const shown = collapsed ? { class: "cn-collapsed" } : { "aria-label": `Collapse ${title}` };
  return element("button", { type: "button", "aria-expanded": String(!collapsed), "data-focus": `fold-${name}`, ...shown,
    onclick: () => say({ do: "collapse", cell: name, on: !collapsed }) }, collapsed ? `▸ ${title}` : "▾ Collapse");
}

function drawTools(root) {
  const { cell } = root, act = (what) => () => say({ ...what, cell: cell.name });
  const tool = (label, text, off, onclick) => element("button", { type: "button", "aria-label": label === text ? null : label, title: label, disabled: off, "data-focus": `${label}-${cell.name}`, onclick: (event) => { pressed = event.target.dataset.focus; onclick(); } }, text);
  const more = panel("⋯", () => [
    ["Duplicate", { do: "duplicate" }],
    [cell.collapsed ? "Show it" : "Collapse", { do: "collapse", on: !cell.collapsed }],
    ["Delete", { do: "delete" }],
  ].map(([label, what]) => element("button", { type: "button", onclick: () => { more.open = false; act(what)(); } }, label)),
  { class: "cn-more", summary: { class: "cn-button", "aria-label": "More", "data-focus": `more-${cell.name}` } });
  return [
    cell.collapsed ? fold(cell) : null,
    element("span", { class: "cn-tool-name cn-muted" }, cell.handle ? element("code", { title: "Its name in SQL and thresholds" }, cell.handle) : null, cell.pinned ? ` ${cell.pinned} of its own` : null),
    tool("Edit", isOpen(cell.name) ? "Close" : "Edit", false, () => (isOpen(cell.name) ? closeForm(root) : openForm(root, root.redraw))),
    tool("Move up", "↑", cell.first, act({ do: "move", by: -1 })),
    tool("Move down", "↓", cell.last, act({ do: "move", by: 1 })),
    more,
  ].filter(Boolean);
}

function closeForm(root) {
  closesForm({ name: root.cell.name, now: true });
  root.redraw();
}

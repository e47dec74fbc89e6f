// The head of a notebook: its title, whether it is kept, and what can be done with it as a whole.

import { copy, element, panel, redraw } from "./dom.js";
import { saveFile } from "./export-file.js";
import { clock, zone } from "./format.js";
import { address, pageLink } from "./links.js";
import { learn } from "./notebook-known.js";
import { listens, say } from "./notebook-say.js";
import { variablesForm } from "./notebook-variables.js";
import { remember } from "./recent.js";

const KEPT_MS = 5000; // for so long it is "just now"

export function drawHead(root, send) {
  const { heard, title } = root.cell;
  listens(heard, send);
  learn(root.cell);
  remember(root.cell.draft, title, root.cell.cells);
  document.title = `${title} · Celery Notebook`;
  if (!root.children.length) root.append(titleBox(), element("p", { class: "cn-keeping cn-muted", role: "status" }), element("div", { class: "cn-notebook-buttons" }), element("div"));
  const [box, kept, row, problems] = root.children;
  if (document.activeElement !== box) box.value = title;
  box.readOnly = root.cell.sealed;
  root.dataset.title = title;
  root.dataset.link = JSON.stringify(shared(root.cell));
  root.dataset.tooLarge = root.cell.whole || !root.cell.changed ? "" : "This notebook is too large to travel in a link as it is now: save it first.";
  tellKept(root, kept);
  if (!row.querySelector("details[open]")) redraw(row, JSON.stringify([root.cell, zone()]), () => controls(root));
  redraw(problems, root.cell.problem, () => root.cell.problem ? element("p", { class: "cn-failure", role: "alert" }, root.cell.problem) : []);
  root.keys ??= undoKeys();
}

// What of the address is another for whoever gets the link: a draft is its writer's.
const shared = ({ whole, id }) => ({ draft: null, add: null, revision: null, example: null, ...(whole ? { text: whole, id: null } : { id: id || null, text: null }) });

function titleBox() {
  return element("input", { class: "cn-notebook-title", "aria-label": "Title of the notebook", maxlength: 200, spellcheck: "false", placeholder: "Untitled", autocomplete: "off",
    onchange: (event) => say({ do: "title", title: event.target.value.trim() }),
    onkeydown: (event) => { if (event.key === "Enter") event.target.blur(); } });
}

function tellKept(root, line) {
  const { kept_at: at, status } = root.cell;
  const text = () => [status, at ? (Date.now() - at < KEPT_MS ? "kept just now" : `kept at ${clock(at, zone())}`) : ""].filter(Boolean).join(" · ");
  line.textContent = text();
  clearTimeout(root.later);
  if (at && Date.now() - at < KEPT_MS) root.later = setTimeout(() => { line.textContent = text(); }, KEPT_MS);
}

function controls(root) {
  const { cell } = root;
  const button = (label, what, off, attributes = {}) => element("button", { type: "button", "data-focus": label, disabled: off, onclick: () => say(what), ...attributes }, label);
  const opens = (label, build) => panel(label, build, { summary: { class: "cn-button" }, enter: true });
  if (cell.sealed) return [opens("File", () => file(root.cell)), pageLink("/notebooks", { class: "cn-button" }, "All notebooks")];
  return [
    button("Save", { do: "save" }, !cell.changed, { class: cell.changed ? "cn-go" : "", title: "Makes a revision that others find under Notebooks" }),
    button("Undo", { do: "undo" }, !cell.past, { title: "Ctrl+Z" }),
    button("Redo", { do: "redo" }, !cell.future, { title: "Ctrl+Shift+Z" }),
    opens("Variables", () => variablesForm(root.cell)),
    opens("Link", () => links(root.cell)),
    opens("File", () => file(root.cell)),
    cell.revisions.length ? opens("Revisions", () => revisions(root.cell)) : null,
    cell.changed && cell.draft ? button("Discard", { do: "discard" }, false, { title: cell.id ? "Leaves what was changed since it was saved" : "Deletes this draft" }) : null,
    pageLink("/notebooks", { class: "cn-button" }, "All notebooks"),
  ];
}

function links(cell) {
  const row = (label, line, own, time) => element("p", {}, element("button", { type: "button", onclick: (event) => copy(String(address({ zoom: null, ...own, ...time })), event.target) }, label), element("span", { class: "cn-muted" }, line));
  const whole = { draft: null, id: null, add: null, revision: null, example: null, text: cell.whole };
  const saved = { draft: null, text: null, add: null, example: null, id: cell.id, revision: null };
  const { live, frozen } = cell.links;
  return [
    cell.whole ? element("p", { class: "cn-muted" }, "These hold the whole notebook as it is now:") : null,
    cell.whole && live ? row("Copy live link", "follows the present", whole, live) : null,
    cell.whole ? row("Copy frozen link", "keeps this stretch of time", whole, frozen) : null,
    cell.id ? row("Copy link to the saved one", "shows its newest revision", saved, live ?? frozen) : null,
    cell.whole || cell.id ? null : element("p", {}, "It is too large to travel in a link. Save it, then there is a link to the saved one."),
  ];
}

function file(cell) {
  const name = `${cell.title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "notebook"}.md`;
  const download = () => saveFile(new Blob([cell.text], { type: "text/markdown" }), name);
  return [
    element("p", {}, element("button", { type: "button", onclick: download }, "Download"), element("span", { class: "cn-muted" }, "a text that diffs well; open it again under Notebooks")),
    element("p", { class: "cn-muted" }, "Without a browser:"),
    element("pre", {}, `python -m notebooks run ${name} --range 24h --html out.html --check`),
  ];
}

function revisions(cell) {
  return [element("ul", { class: "cn-revisions" }, ...cell.revisions.map(({ number, author, at }) => element("li", {},
    number === cell.revision ? element("strong", {}, `Revision ${number}`) : pageLink(`/notebook?id=${cell.id}&revision=${number}`, {}, `Revision ${number}`),
    element("span", { class: "cn-muted" }, ` ${clock(at, zone(), true)}${author ? ` by ${author}` : ""}`)))),
  element("p", {}, element("button", { type: "button", onclick: () => say({ do: "copy" }) }, "Save as a new notebook")),
  element("p", { class: "cn-muted" }, "To go back to one, open it and save it.")];
}

// Ctrl+Z in a field is the field's own.
function undoKeys() {
  document.addEventListener("keydown", (event) => {
    if (!document.querySelector(".cn-notebook-title") || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    say({ do: event.shiftKey ? "redo" : "undo" });
  });
  return true;
}

// All notebooks: those that are saved, the drafts of whoever looks, and examples to begin with.

import { element, panel, redraw } from "./dom.js";
import { clock, zone } from "./format.js";
import { follow, pageLink } from "./links.js";
import { listens, say } from "./notebook-say.js";
import { forget, recentDrafts } from "./recent.js";

const MOST_KIB = 256; // of a notebook's file, see workspace/notebooks.py
let opened = 0; // the number of the message whose file was opened last

export function drawShelf(root, send) {
  const { cell } = root;
  listens(cell.heard, send);
  for (const draft of cell.gone) forget(draft);
  if (cell.opens && cell.opens[0] > opened) {
    opened = cell.opens[0];
    follow(`/notebook?draft=${encodeURIComponent(cell.opens[1])}`);
  }
  const { heard, opens, ...shown } = cell;
  root.opener ??= opener();
  redraw(root, JSON.stringify([shown, zone(), recentDrafts()]), () => [
    element("header", { class: "cn-headline" }, element("h1", {}, "Notebooks"),
      element("p", {}, "A question, the numbers that answer it, and what must hold from now on. Saved here, sent as a link, kept as a file.")),
    element("p", { class: "cn-shelf-buttons" }, pageLink("/notebook", { class: "cn-button cn-go" }, "New notebook"), root.opener, pageLink("/snapshots", { class: "cn-button" }, "Snapshots")),
    element("p", { class: "cn-failure", role: "alert", hidden: !cell.problem }, cell.problem),
    cell.deleted ? element("p", { class: "cn-undo", role: "status" }, `“${cell.deleted.title}” is deleted. `,
      element("button", { type: "button", "data-focus": "undo", onclick: () => say({ do: "restore", id: cell.deleted.id, draft: cell.deleted.draft }) }, "Undo")) : null,
    ...saved(cell), ...drafts(cell), ...examples(cell), deleted(root),
  ].filter(Boolean));
}

// The same node is kept, with what is typed in it.
function opener() {
  const told = element("span", { class: "cn-muted", role: "status" });
  const box = element("input", { type: "file", accept: ".md,text/markdown,text/plain", class: "cn-file-input", "aria-label": "Open a file", onchange: ({ target }) => {
    const [file] = target.files;
    target.value = "";
    if (file) openFile(file, file.name, told);
  } });
  const text = element("textarea", { rows: 8, class: "cn-code-area", "data-focus": "pasted", "aria-label": "A notebook as text", placeholder: "+++\ncelery_notebook = 1\n…" });
  return element("span", {}, element("label", { class: "cn-button cn-file-button" }, "Open a file", box), " ",
    panel("Paste", () => element("div", { class: "cn-form" }, text,
      element("button", { type: "button", class: "cn-go", "data-focus": "open-pasted", onclick: () => { if (text.value.trim()) openFile(new Blob([text.value]), "this", told); } }, "Open")),
    { class: "cn-paste", summary: { class: "cn-button" } }), told);
}

async function openFile(file, name, told) {
  const large = file.size > MOST_KIB * 1024;
  told.textContent = large ? ` ${name} is larger than ${MOST_KIB} KiB.` : "";
  if (!large) say({ do: "open", text: await file.text() });
}

const many = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

function list(title, items) {
  return [element("h2", {}, title), element("ul", { class: "cn-shelf" }, ...items)];
}

function item(href, title, line, quiet, ...buttons) {
  return element("li", {}, element("div", {}, pageLink(href, {}, title || "Untitled"), line ? element("p", {}, line) : null, element("p", { class: "cn-muted" }, quiet)), ...buttons);
}

const remove = (label, what) => element("button", { type: "button", "aria-label": `Delete ${label}`, "data-focus": `delete-${what.id ?? what.draft}`, onclick: () => say(what) }, "Delete");

function saved({ notebooks }) {
  if (!notebooks.length) return [];
  return list("Saved", notebooks.map((one) => item(`/notebook?id=${one.id}`, one.title, "",
    [many(one.cells, "cell"), one.thresholds ? many(one.thresholds, "threshold") : "", `revision ${one.revision}`, by(one.author), clock(one.at, zone(), true)].filter(Boolean).join(" · "),
    remove(one.title, { do: "delete", id: one.id }))));
}

const by = (name) => name && `by ${name}`;

// Whoever may read may delete, so everybody can have back what anybody deleted.
function deleted(root) {
  const { bin } = root.cell;
  if (!bin.length) return null;
  return element("details", { class: "cn-apart", open: root.binOpen, ontoggle: (event) => { root.binOpen = event.target.open; } },
    element("summary", { "data-focus": "bin" }, `Deleted (${bin.length})`),
    element("p", { class: "cn-muted" }, "They can be had back for 30 days."),
    element("ul", { class: "cn-shelf" }, ...bin.map((one) => element("li", {},
      element("div", {}, element("strong", {}, one.title || "Untitled"), element("p", { class: "cn-muted" },
        [many(one.cells, "cell"), `deleted ${clock(one.deleted_at, zone(), true)}`, by(one.deleted_by)].filter(Boolean).join(" · "))),
      element("button", { type: "button", "aria-label": `Restore ${one.title}`, "data-focus": `restore-${one.id}`, onclick: () => say({ do: "restore", id: one.id }) }, "Restore")))));
}

// Where nobody signs in, the browser knows which are its own.
function drafts(cell) {
  const own = cell.drafts ?? recentDrafts().filter(({ draft }) => !cell.gone.includes(draft)).map((one) => ({ id: one.draft, title: one.title, cells: one.cells, at: one.at }));
  if (!own.length) return [];
  return list("Drafts of yours", own.map((one) => item(`/notebook?draft=${encodeURIComponent(one.id)}`, one.title, "",
    [one.cells === undefined ? "" : many(one.cells, "cell"), "not saved", clock(one.at, zone(), true)].filter(Boolean).join(" · "),
    remove(one.title, { do: "delete", draft: one.id }))));
}

function examples({ examples: all }) {
  return list("Examples to begin with", all.map((one) => item(`/notebook?example=${one.name}`, one.title, one.line, many(one.cells, "cell"))));
}

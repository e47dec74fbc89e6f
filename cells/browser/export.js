// A cell as files: CSV, JSON and what is to be known of them, all rows of a list, and the picture of a plot. Fetched
// when somebody opens the panel.

import { element } from "./dom.js";
import { save } from "./export-image.js";
import { amount } from "./format.js";
import { chosen } from "./links.js";

export function exportChoices(root) {
  const { name, rows, figure } = root.cell, [filter] = chosen(`${name}.filter`), files = rows.flatMap((row) => row.csv);
  return [
    filter ? element("p", { class: "cn-muted" }, `Files have all rows, also those without “${filter}”.`) : null,
    ...files.map((file) => element("p", { class: "cn-file" }, element("span", {}, file.label),
      fileLink(file.href, "csv", "CSV"), fileLink(file.href, "json", "JSON"),
      fileLink(file.href, "meta.json", "About", "Query, times, source, notes and version, to be kept beside the CSV"))),
    ...files.filter((file) => file.more).map(allRows),
    figure ? element("p", { class: "cn-file" }, element("span", {}, "This picture"), pictureButton(root, "png"), pictureButton(root, "svg")) : null,
  ].filter(Boolean);
}

const addressed = (href, kind) => href.replace("/export.csv", `/export.${kind}`);

const fileLink = (href, kind, label, title = null) =>
  element("a", { href: addressed(href, kind), download: "", title, "data-focus": `${kind} ${href}` }, label);

function pictureButton(root, kind) {
  const button = element("button", { type: "button", "data-focus": kind, onclick: async () => {
    button.disabled = true;
    try {
      await save(root, kind);
    } catch {
      button.after(element("span", { class: "cn-muted", role: "status" }, " could not be drawn here"));
    }
    button.disabled = false;
  } }, kind.toUpperCase());
  return button;
}

// A list shows a page of what there is; the file of all of it may take minutes, and the browser alone shows no end.
function allRows(file) {
  const said = element("span", { class: "cn-muted", role: "status" });
  const link = (kind, label) => {
    const node = fileLink(file.href, kind, label);
    node.addEventListener("click", () => {
      const id = [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join("-");
      node.href = `${addressed(file.href, kind)}&rows=all&progress=${id}`;
      follow(id, said);
    });
    return node;
  };
  return element("p", { class: "cn-file" }, element("span", {}, "All rows, not only these ", said), link("csv", "CSV"), link("json", "JSON"));
}

const PATIENCE = 20; // seconds until the server has begun

async function follow(id, said) {
  said.textContent = "asking …";
  for (let second = 0; said.isConnected; second += 1) {
    await new Promise((done) => setTimeout(done, 1000));
    const answer = await fetch(`/export.progress?id=${id}`).catch(() => null);
    const { rows, of, state } = answer?.ok ? await answer.json() : {};
    if (state) said.textContent = told(rows, of, state);
    if (state === "complete" || state === "broken") return;
    if (!state && second > PATIENCE) { said.textContent = "see the browser's downloads"; return; }
  }
}

function told(rows, of, state) {
  const count = `${amount(rows, "")} rows`;
  if (state === "complete") return `${count}, all there are`;
  if (state === "broken") return `broke off after ${count}: that file is not whole`;
  return of ? `${amount(rows, "")} of ${amount(of, "")} rows, ${Math.min(99, Math.floor((100 * rows) / of))} %` : count;
}

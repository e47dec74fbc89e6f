// The page as one HTML file: what is drawn on it, in the shell that notebooks/html_file.py makes.

import { saveFile } from "./export-file.js";

export async function savePage(title = document.title) {
  const answer = await fetch("/export.shell.html");
  if (!answer.ok) throw new Error(`the shell of the file: ${answer.status}`);
  const shell = await answer.text();
  const pieces = [...document.querySelectorAll("[data-piece]")].filter((node) => node.cell).map((node) => ({ ...node.cell, kind: node.dataset.piece }));
  const told = { title, line: location.origin + location.pathname, address: location.origin, made: Date.now(), pieces };
  const json = JSON.stringify(told).replaceAll("<", "\\u003c"); // no text in it ends its script
  const name = title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "page";
  const stamp = new Date().toISOString().slice(0, 19).replace(/[-:]/g, "");
  saveFile(new Blob([shell.replace('{"told": null}', () => json)], { type: "text/html" }), `${name}-${stamp}Z.html`);
}

// Where a cell of a page, or all of them, can be taken: a new notebook, or a draft of this browser.

import { element } from "./dom.js";
import { follow } from "./links.js";
import { recentDrafts } from "./recent.js";

const SHOWN = 5;

// `takes`: the name of a cell, * for all.
export function takePanel(takes) {
  const row = (label, line, to) => element("p", {}, element("button", { type: "button", onclick: () => follow(to, takes) }, label), element("span", { class: "cn-muted" }, line));
  return [
    row("New notebook", "begins one with it", "/notebook"),
    ...recentDrafts().slice(0, SHOWN).map(({ draft, title }) => row(title || "Untitled", "at its end", `/notebook?draft=${encodeURIComponent(draft)}`)),
  ];
}

// In a file a link of ours leads to the dashboard that wrote it, where that has an address, and is text elsewhere.

import { element } from "./dom.js";

const home = () => document.documentElement.dataset.address;

export function pageLink(to, attributes, ...children) {
  const leads = home() ? { href: new URL(to, home()).href, target: "_blank", rel: "noopener noreferrer" } : {};
  return element(home() ? "a" : "span", { ...attributes, ...leads }, ...children);
}

export const changeLink = (change, attributes, ...children) => element("span", attributes, ...children);

export const address = () => new URL(home() ?? location.href);

export const tooLarge = () => "";

export function follow() {}

// What a reader chose of a cell is kept while the file is open: a file's address has no place for it.
const kept = new Map();

export const chosen = (name) => kept.get(name) ?? [];

export const choose = (name, values) => void kept.set(name, [...values]);

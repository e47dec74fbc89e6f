// In a file a link of ours leads to the dashboard that wrote it, where that has an address, and is text elsewhere.

import { element } from "./dom.js";

const { address } = document.documentElement.dataset;

export function pageLink(to, attributes, ...children) {
  const leads = address ? { href: new URL(to, address).href, target: "_blank", rel: "noopener noreferrer" } : {};
  return element(address ? "a" : "span", { ...attributes, ...leads }, ...children);
}

export const changeLink = (change, attributes, ...children) => element("span", attributes, ...children);

export function follow() {}

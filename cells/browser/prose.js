// Prose as notebooks/prose.py parsed it: known elements, and texts as texts.

import { element, redraw } from "./dom.js";
import { pageLink } from "./links.js";

const TAGS = new Set(["h2", "h3", "h4", "h5", "h6", "p", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "hr", "br", "span",
  "table", "thead", "tbody", "tr", "th", "td"]);

export const proseNodes = (tree) => tree.map(node);

function node(one) {
  if (typeof one === "string") return document.createTextNode(one);
  const children = proseNodes(one.children);
  if (one.tag === "a") return link(one.href, children);
  return TAGS.has(one.tag) ? element(one.tag, { class: one.tag === "table" ? "cn-table" : null }, ...children) : element("span", {}, ...children);
}

function link(href, children) {
  if (href.startsWith("/") && !href.startsWith("//")) return pageLink(href, {}, ...children);
  if (href.startsWith("#")) return element("a", { href }, ...children);
  return /^https?:\/\//.test(href) ? element("a", { href, target: "_blank", rel: "noopener noreferrer" }, ...children) : element("span", {}, ...children);
}

export function draw({ data, parentElement }) {
  redraw(parentElement.querySelector(".cn-root") ?? parentElement, JSON.stringify(data.tree), () => element("div", { class: "cn-prose" }, ...proseNodes(data.tree)));
  return () => {};
}

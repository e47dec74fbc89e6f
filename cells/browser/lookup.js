// A field for the id of one thing, that leads to its page.

import { element, redraw } from "./dom.js";
import { follow } from "./links.js";

export function draw({ data, parentElement }) {
  redraw(parentElement.querySelector(".cn-root"), JSON.stringify(data), () => lookup(data));
  return () => {};
}

// What is typed becomes the parameter `field` of `page`, beside `params`.
export function lookup({ title, line, page, field, params }) {
  const box = element("input", { type: "search", name: field, "aria-label": title || line, class: "cn-filter", size: 40, autocomplete: "off", "data-focus": field });
  const open = (event) => {
    event.preventDefault();
    const id = box.value.trim();
    if (id) follow(`${page}?${new URLSearchParams({ ...params, [field]: id })}`);
  };
  return element("form", { class: "cn-lookup", onsubmit: open },
    title ? element("h2", {}, title) : null, line ? element("p", { class: "cn-muted" }, line) : null,
    box, " ", element("button", { type: "submit" }, "Open"));
}

// A line that says what of the URL could not be used.

import { element, redraw } from "./dom.js";

export function draw({ data, parentElement }) {
  redraw(parentElement.querySelector(".cn-root"), data.text, () => element("p", { class: "cn-failure", role: "status" }, data.text));
  return () => {};
}

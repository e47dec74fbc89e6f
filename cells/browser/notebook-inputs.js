// What a form's fields are made of: each shows one entry of a value, and writes what is typed into it.

import { element } from "./dom.js";

export function labelled(label, control, help = "") {
  return element("label", {}, element("span", {}, label), control, help ? element("small", { class: "cn-muted" }, help) : null);
}

export function text(value, field, label, { wide, list, ...attributes } = {}) {
  const box = element("input", { type: "text", name: field, "aria-label": label, spellcheck: "true", autocomplete: "off", ...attributes, oninput: (event) => { value[field] = event.target.value; } });
  box.value = value[field] ?? "";
  const made = labelled(label, list ? [box, suggestions(box, list)] : box);
  if (wide) made.classList.add("cn-wide");
  return made;
}

let lists = 0;

export function suggestions(box, names) {
  const id = `cn-known-${(lists += 1)}`;
  box.setAttribute("list", id);
  return element("datalist", { id }, ...names.slice(0, 200).map((one) => element("option", { value: one })));
}

export function area(value, field, label, { rows = 4, code = false, help = "" } = {}) {
  const box = element("textarea", { name: field, rows: Math.max(rows, Math.min(20, String(value[field]).split("\n").length + 1)), class: code ? "cn-code-area" : null, "aria-label": label,
    spellcheck: code ? "false" : "true", oninput: (event) => { value[field] = event.target.value; } });
  box.value = value[field];
  return labelled(label, box, help);
}

// `options`: texts, or pairs of value and label.
export function choice(value, field, label, options, again) {
  const known = options.map((option) => [option].flat()).map(([one, shown]) => [one, shown ?? one]);
  const all = known.some(([one]) => one === value[field]) ? known : [[value[field], value[field]], ...known];
  return labelled(label, element("select", { name: field, "aria-label": label, onchange: (event) => { value[field] = event.target.value; again?.(); } },
    ...all.map(([one, shown]) => element("option", { value: one, selected: one === value[field] }, shown))));
}

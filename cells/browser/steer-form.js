// The form of an offer, its fields as the server describes them. Sending it asks what it would do, and no more.

import { element } from "./dom.js";

const LONGEST = 14; // lines of a text that are shown at once

// Draws it into `place`; what somebody has filled in stays when there is more to choose from.
export function drawForm(place, offer, now, send, leave) {
  const shown = JSON.stringify(offer);
  if (place.shown !== shown) {
    const typed = place.offer === offer.name ? changes(place) : [], at = place.contains(document.activeElement) ? document.activeElement.name : "";
    Object.assign(place, { shown, offer: offer.name });
    place.replaceChildren(form(offer, send, leave));
    for (const change of typed) restore(place, change);
    if (at) place.querySelector(`[name="${CSS.escape(at)}"]`)?.focus();
  }
  blame(place, now);
}

function form(offer, send, leave) {
  const node = element("form", { novalidate: true, autocomplete: "off", onsubmit: (event) => {
    event.preventDefault();
    send(filled(node));
  }, oninput: ({ target }) => {
    target.dataset.changed = "";
    fill(node, offer, target);
  } },
  offer.line ? element("p", { class: "cn-muted" }, offer.line) : null, ...offer.fields.map(row),
  element("p", { class: "cn-failure cn-problem", role: "alert", hidden: true }),
  element("div", { class: "cn-choices" }, leave ? element("button", { type: "button", onclick: leave }, "Leave") : null,
    element("button", { type: "submit", class: "cn-go" }, "Show what it would do")));
  return node;
}

function row(field) {
  const help = field.help ? element("small", { class: "cn-muted" }, field.help) : null;
  if (field.kind === "several") {
    return element("fieldset", {}, element("legend", {}, field.label), ...field.options.map(({ value, label }) =>
      element("label", {}, element("input", { type: "checkbox", name: field.name, value }), element("code", {}, value), label ? element("span", { class: "cn-muted" }, label) : null)), help);
  }
  const optional = field.optional ? element("small", { class: "cn-muted" }, " may stay empty") : null;
  return element("label", {}, element("span", {}, field.label, optional), control(field), help);
}

let lists = 0;

function control({ name, label, kind, value, options }) {
  const common = { name, "aria-label": label, spellcheck: "false", autocomplete: "off", autocapitalize: "off" };
  if (kind === "json") return element("textarea", { ...common, rows: Math.min(LONGEST, value.split("\n").length + Math.ceil(value.length / 70)) }, value);
  if (kind === "choice") {
    const none = options.some((option) => option.value === value) ? null : element("option", { value: "" }, "choose one");
    return element("select", common, none, ...options.map((option) => element("option", { value: option.value, selected: option.value === value }, option.label || option.value)));
  }
  const list = options.length ? `cn-list-${(lists += 1)}` : null;
  const box = element("input", { ...common, type: "text", inputmode: kind === "number" ? "decimal" : null, value, list });
  return list ? [box, element("datalist", { id: list }, ...options.map((option) => element("option", { value: option.value }, option.label)))] : box;
}

// What is chosen here says what other fields are now.
function fill(node, offer, target) {
  const field = offer.fields.find(({ name }) => name === target.name), chosen = field?.options.find(({ value }) => value === target.value);
  for (const [name, value] of Object.entries(chosen?.fills ?? {})) {
    const other = node.elements[name];
    if (other && other.dataset.changed === undefined) other.value = value;
  }
}

function filled(node) {
  const fields = {};
  for (const [name, value] of new FormData(node)) (fields[name] ??= []).push(value);
  return fields;
}

const changes = (place) => [...place.querySelectorAll("[data-changed]")].map(({ name, type, value, checked }) => ({ name, value, checked, boxed: type === "checkbox" }));

function restore(place, { name, value, checked, boxed }) {
  const found = [...place.querySelectorAll(`[name="${CSS.escape(name)}"]`)].find((one) => !boxed || one.value === value);
  if (!found) return;
  found.dataset.changed = "";
  if (boxed) found.checked = checked;
  else found.value = value;
}

// What could not be used, and the field that it is about.
function blame(place, { stage, problem, field }) {
  const line = place.querySelector(".cn-problem"), refused = stage === "refused";
  const at = refused && field ? place.querySelector(`[name="${CSS.escape(field)}"]`) : null;
  for (const one of place.querySelectorAll("[aria-invalid]")) if (one !== at) one.removeAttribute("aria-invalid");
  at?.setAttribute("aria-invalid", "true");
  const label = at?.closest("label, fieldset")?.querySelector("span, legend")?.firstChild.textContent ?? field;
  const text = refused ? [label, problem].filter(Boolean).join(": ") : "";
  if (line.textContent !== text) line.textContent = text;
  line.hidden = !text;
}

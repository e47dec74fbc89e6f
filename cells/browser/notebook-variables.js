// What all cells of a notebook can name: chosen here, in the URL; made and changed in a form of the head.

import { element, panel, redraw } from "./dom.js";
import { changed, follow } from "./links.js";
import { say } from "./notebook-say.js";

const KINDS = [["queue", "queue"], ["task", "task"], ["worker", "worker"], ["label", "label of a metric"], ["text", "text"], ["cluster", "cluster"]];

export function drawVariables(root) {
  const { variables, trouble } = root.cell;
  root.classList.add("cn-variables");
  if (root.contains(document.activeElement) && document.activeElement.matches("input[type=text]")) return;
  const open = root.querySelector("details[open]");
  if (open) {
    if (!open.querySelector("input")) open.dispatchEvent(new Event("toggle")); // what it asked may be there by now
    return;
  }
  redraw(root, JSON.stringify([variables, trouble]), () => [
    ...variables.map((one) => (one.kind === "text" ? textChoice(one) : one.kind === "cluster" ? null : manyChoice(root, one))),
    trouble ? element("p", { class: "cn-failure", role: "status" }, trouble) : null,
  ]);
}

const go = (name, values) => follow(changed({ [`var-${name}`]: values }));

function textChoice({ name, title, values }) {
  const box = element("input", { type: "text", "aria-label": title || name, "data-focus": `var-${name}`, onchange: () => go(name, [box.value]) });
  box.value = values[0] ?? "";
  return element("label", { class: "cn-variable" }, element("span", {}, title || name), box);
}

// One is chosen at once; several by their boxes, and then all together.
function manyChoice(root, { name, title, values }) {
  const apply = (next) => { opened.open = false; go(name, next.length ? next : [""]); };
  const opened = panel([element("span", {}, title || name), element("b", {}, values.length ? values.join(", ") : "all")], () => toChoose(root.cell.variables.find((one) => one.name === name), apply),
    { class: "cn-variable", summary: { "data-focus": `var-${name}` } });
  return opened;
}

function toChoose({ values, choices, pending }, apply) {
  const chosen = new Set(values), known = [...new Set([...values, ...choices])];
  return [
    element("p", {}, element("button", { type: "button", onclick: () => apply([]) }, "All"),
      element("button", { type: "button", class: "cn-go", onclick: () => apply([...chosen]) }, "Show chosen")),
    ...known.map((value) => element("div", { class: "cn-variable-value" },
      element("input", { type: "checkbox", "aria-label": value, checked: chosen.has(value), onchange: (event) => chosen[event.target.checked ? "add" : "delete"](value) }),
      element("button", { type: "button", onclick: () => apply([value]) }, value))),
    known.length ? null : element("p", { class: "cn-muted" }, pending ? "asking" : "none is known yet"),
  ];
}

export function variablesForm(cell) {
  const variables = structuredClone(cell.variables), place = element("div", { class: "cn-form" });
  const field = (one, name, label) => {
    const box = element("input", { type: "text", "aria-label": label, spellcheck: "false", oninput: (event) => { one[name] = name === "default" ? event.target.value.split(",").map((value) => value.trim()).filter(Boolean) : event.target.value; } });
    box.value = [one[name]].flat().join(", ");
    return element("label", {}, element("span", {}, label), box);
  };
  const draw = () => place.replaceChildren(
    ...variables.map((one, at) => element("div", { class: "cn-form-row cn-layer" },
      element("label", {}, element("span", {}, "Kind"), element("select", { onchange: (event) => { one.kind = event.target.value; draw(); } },
        ...KINDS.map(([kind, label]) => element("option", { value: kind, selected: kind === one.kind }, label)))),
      field(one, "name", "Name"), field(one, "title", "Title"),
      one.kind === "label" ? [field(one, "label", "Label"), field(one, "metric", "Metric that has it")] : null,
      one.kind === "cluster" ? null : field(one, "default", one.kind === "text" ? "Default" : "Default, a comma between; empty: all"),
      element("button", { type: "button", onclick: () => { variables.splice(at, 1); draw(); } }, "Remove"))),
    element("p", { class: "cn-muted" }, "Cells name a variable as $name: in PromQL label=~\"$queue\", in other questions in the field itself."),
    element("div", { class: "cn-choices" },
      element("button", { type: "button", onclick: () => { variables.push({ name: free(variables), kind: "queue", title: "", default: [], label: "", metric: "" }); draw(); } }, "Add a variable"),
      element("button", { type: "button", class: "cn-go", onclick: () => { say({ do: "variables", variables }); place.closest("details").open = false; } }, "Apply")));
  draw();
  return place;
}

const free = (variables) => ["queue", "queue_2", "queue_3", "queue_4"].find((name) => !variables.some((one) => one.name === name)) ?? `v${variables.length}`;

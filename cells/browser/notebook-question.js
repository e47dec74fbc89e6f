// The questions of a cell: rows on one axis, each of layers; of a table its one row, and what stands beside it.

import { element, later } from "./dom.js";
import { choice, labelled, suggestions, text } from "./notebook-inputs.js";
import { whatIsKnown } from "./notebook-known.js";

const LAID_OUT = ["table", "facts", "picture"];
// The parameters of a source that are names, any number of each, or else one text.
const OF_TASKS = ["name", "state", "queue", "worker"];
const MANY = { inspect: ["worker", "id"], workers: ["worker", "queue"], queues: ["queue"], schedule: ["name"],
  tasks: OF_TASKS, task_names: OF_TASKS, failures: OF_TASKS, histogram: OF_TASKS };
const ONE = { tasks: ["search", "sort", "limit"], task_names: ["search"], failures: ["search"], histogram: ["search"] };
const LABELS = { name: "Task", state: "State", queue: "Queue", worker: "Worker", search: "Search", sort: "Sort by", limit: "At most", id: "Id" };

export function questionFields(value, again, apply) {
  const laidOut = LAID_OUT.includes(value.rows[0].layers[0].chart);
  const rows = value.rows.map((row, place) => element("fieldset", {},
    value.rows.length > 1 ? element("legend", {}, `Row ${place + 1}`) : null,
    ...row.layers.map((layer, depth) => layerFields(value, row, layer, depth, laidOut, again, apply)),
    laidOut ? null : element("div", { class: "cn-form-buttons" },
      button("Add a line on this axis", () => { row.layers.push({ ...structuredClone(row.layers.at(-1)), label: "" }); again(); }),
      value.rows.length > 1 ? button("Remove this row", () => { value.rows.splice(place, 1); again(); }) : null)));
  const more = laidOut ? null : button("Add an axis below", () => { value.rows.push({ advice: "", layers: [structuredClone(value.rows.at(-1).layers[0])] }); again(); });
  return [...rows, more];
}

const button = (label, onclick) => element("button", { type: "button", onclick }, label);

function layerFields(value, row, layer, depth, laidOut, again, apply) {
  const source = layer.params[0][1], beside = laidOut && depth;
  return element("div", { class: "cn-layer" },
    row.layers.length > 1 ? element("p", { class: "cn-layer-head" }, element("strong", {}, beside ? `Beside it: ${layer.label}` : layer.label || source), " ",
      depth ? button("Remove", () => { row.layers.splice(depth, 1); again(); }) : null) : null,
    ...parameters(layer, source, again, apply),
    beside ? null : element("div", { class: "cn-form-row" }, laidOut ? viewChoice(value, layer, source, again) : drawnAs(value, layer, source, again), laidOut ? null : text(layer, "label", "Label")));
}

// A single question of Prometheus is a table as well, then of one moment.
function drawnAs(value, layer, source, again) {
  const alone = value.rows.length === 1 && value.rows[0].layers.length === 1;
  const charts = [...whatIsKnown().charts, ...(alone && source === "promql" ? ["table"] : [])];
  return choice(layer, "chart", "Drawn as", charts, () => {
    if (layer.chart === "table") Object.assign(layer, { label: "", params: [...without(layer, "instant"), ["instant", "1"]] });
    again();
  });
}

function viewChoice(value, layer, source, again) {
  if (source === "promql") return choice(layer, "chart", "Drawn as", [...whatIsKnown().charts, "table"], () => {
    layer.params = without(layer, "instant");
    value.view = "";
    again();
  });
  if (layer.chart !== "table") return null;
  const views = whatIsKnown().views[source] ?? [];
  const options = [...new Set([...views, value.view])].filter(Boolean).map((view) => [view, `as the page does (${view})`]);
  return choice(value, "view", "Laid out", [...options, ["", "all columns as they come"]]);
}

const without = (layer, name) => layer.params.filter(([one]) => one !== name);
const one = (layer, name) => layer.params.find(([own]) => own === name)?.[1] ?? "";

function set(layer, name, values) {
  layer.params = [...without(layer, name), ...values.filter(Boolean).map((value) => [name, value])];
}

function parameters(layer, source, again, apply) {
  const known = whatIsKnown();
  if (source === "promql") return [promql(layer, apply)];
  if (source === "history" || source === "signal") {
    const by = one(layer, "by"), splits = known.signals[one(layer, "q")] ?? [""];
    const pick = (name, label, options, change) => {
      const own = { [name]: one(layer, name) };
      return choice(own, name, label, options, () => { change(own[name]); again(); });
    };
    return [element("div", { class: "cn-form-row" },
      pick("q", "Measure", Object.keys(known.signals), (value) => {
        const splits = known.signals[value];
        layer.params = [layer.params[0], ["q", value], ...(splits.includes(by) && by ? [["by", by]] : splits[0] ? [["by", splits[0]]] : [])];
      }),
      pick("by", "Split by", splits.map((split) => [split, split || "nothing: the total"]), (value) => {
        layer.params = [layer.params[0], ["q", one(layer, "q")], ...(value ? [["by", value]] : [])];
      }),
      by ? single(layer, by, "Only", known.choices[by] ?? []) : null)];
  }
  const method = source === "inspect" ? choice({ q: one(layer, "q") }, "q", "Method", known.methods) : null;
  method?.addEventListener("change", (event) => set(layer, "q", [event.target.value]));
  const told = new Set(["source", "q", ...(MANY[source] ?? []), ...(ONE[source] ?? [])]);
  const rest = [...new Set(layer.params.map(([name]) => name))].filter((name) => !told.has(name));
  return [element("div", { class: "cn-form-row" }, method,
    ...(MANY[source] ?? []).filter((name) => name !== "id" || one(layer, "id") || one(layer, "q") === "query_task").map((name) => several(layer, name, known.choices[name] ?? [])),
    ...(ONE[source] ?? []).map((name) => single(layer, name, LABELS[name])),
    ...rest.map((name) => (layer.params.filter(([own]) => own === name).length > 1 ? several(layer, name, []) : single(layer, name, name))))];
}

// The editor of Explore, which is fetched with the first such form.
function promql(layer, apply) {
  const place = element("div", { class: "cn-form-promql" });
  later("./promql-editor.js", ({ draw }) => {
    const write = (text) => { layer.params = layer.params.map(([name, value]) => (name === "q" ? [name, text] : [name, value])); };
    const editor = draw(place, { value: one(layer, "q"), params: shared, onInput: write, onApply: (text) => { write(text); apply(); } });
    if (place.closest(".cn-form")?.contains(document.activeElement)) editor.focus();
  }, place);
  return element("div", {}, element("span", { class: "cn-muted" }, "PromQL"), place, element("small", { class: "cn-muted" }, variablesHelp()));
}

// Where and when suggestions are looked for.
function shared() {
  const here = new URLSearchParams(location.search);
  return Object.fromEntries(["cluster", "range", "from", "to"].filter((name) => here.has(name)).map((name) => [name, here.get(name)]));
}

function variablesHelp() {
  const names = whatIsKnown().variables;
  return names.length ? `Variables: ${names.map((name) => `$${name}`).join(", ")}; write label=~"$${names[0]}"` : "";
}

function single(layer, name, label, names = []) {
  const box = element("input", { type: "text", "aria-label": label, spellcheck: "false", autocomplete: "off", oninput: (event) => set(layer, name, [event.target.value]) });
  box.value = one(layer, name);
  return labelled(label, names.length ? [box, suggestions(box, names)] : box);
}

// A field for each value, and one more as soon as the last is filled.
function several(layer, name, names) {
  const place = element("div", { class: "cn-several" });
  const boxes = () => [...place.querySelectorAll("input")];
  const grow = (value) => {
    const box = element("input", { type: "text", "aria-label": LABELS[name] ?? name, placeholder: boxes().length ? "" : "all", spellcheck: "false", autocomplete: "off", oninput: () => {
      set(layer, name, boxes().map((one) => one.value.trim()));
      if (boxes().at(-1).value) grow("");
    } });
    box.value = value;
    place.append(box, suggestions(box, names));
  };
  for (const [own, value] of layer.params) if (own === name) grow(value);
  grow("");
  return labelled(LABELS[name] ?? name, place);
}

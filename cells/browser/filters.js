// What tasks a page is about: a search box, what is chosen, and what there is to choose from. All of it lives in the
// URL, so each choice is a link.

import { amount } from "./format.js";
import { element, redraw, unpressed } from "./dom.js";
import { changeLink, changed, follow } from "./links.js";

const PAUSE = 400; // ms after the last letter
const FIRST = 8; // values of a facet that are shown; the rest a click away
const TITLES = { state: "State", name: "Task", queue: "Queue", worker: "Worker" };

export function draw({ data, parentElement }) {
  const root = parentElement.querySelector(".cn-root");
  root.cell = data;
  if (!root.children.length) root.append(searchBox(), element("div"), element("div"));
  const [box, chosen, facets] = root.children, input = box.querySelector("input");
  // What somebody types right now is not replaced by what was asked for before.
  if (document.activeElement !== input) input.value = asked();
  unpressed(chosen, () => redraw(chosen, JSON.stringify([data.chosen, data.notes]), () => chips(data)));
  unpressed(facets, () => drawFacets(root, facets));
  return () => {};
}

function drawFacets(root, place) {
  const open = place.querySelector("details.cn-facets")?.open ?? matchMedia("(min-width: 641px)").matches;
  redraw(place, JSON.stringify([root.cell.facets, [...(root.all ?? [])]]), () => choices(root, root.cell, open));
}

const asked = () => new URLSearchParams(location.search).get("search") ?? "";
let typing = null; // what somebody is at, should the box be drawn anew under their hands

function searchBox() {
  let timer;
  const input = element("input", { type: "search", class: "cn-search", "aria-label": "Search tasks", spellcheck: "false", autocomplete: "off",
    placeholder: "Search: KeyError, \"no such order\", args:1042, NOT worker:mail, a OR b",
    title: "Words in name, id, args, kwargs, result, exception, worker or queue. AND, OR, NOT, parentheses, \"phrases\" and field:value.",
    oninput: () => { typing = input.value; clearTimeout(timer); timer = setTimeout(search, PAUSE); },
    onblur: () => { if (input.isConnected) typing = null; },
    onkeydown: (event) => { if (event.key === "Enter") search(); } });
  input.value = typing ?? asked();
  if (typing !== null) setTimeout(() => input.focus());
  const search = () => {
    clearTimeout(timer);
    const text = input.value.trim();
    if (text !== asked()) follow(changed({ search: text || null, after: null }));
  };
  return element("div", { class: "cn-searching" }, input);
}

function chips(data) {
  const without = (name, value) => ({ [name]: data.chosen.filter((one) => one[0] === name && one[1] !== value).map((one) => one[1]), after: null });
  const everything = Object.fromEntries([...data.chosen.map(([name]) => [name, null]), ["search", null], ["after", null]]);
  return [
    data.chosen.length ? element("div", { class: "cn-chosen" },
      ...data.chosen.map(([name, value]) => changeLink(without(name, value), { class: "cn-chip", "data-focus": `chosen-${name}-${value}`, "aria-label": `Remove ${name} ${value}` },
        element("span", { class: "cn-muted" }, `${name} `), value, element("span", { "aria-hidden": "true" }, " ×"))),
      data.chosen.length > 1 ? changeLink(everything, { "data-focus": "chosen-all" }, "Show all") : null) : null,
    ...data.notes.map((text) => element("p", { class: "cn-muted" }, text)),
  ].filter(Boolean);
}

function choices(root, data, open) {
  return element("details", { class: "cn-facets", open }, element("summary", { "data-focus": "facets" }, "Filters"),
    element("div", {}, ...data.facets.map((facet) => choice(root, facet))));
}

function choice(root, facet) {
  const all = root.all ??= new Set();
  const shown = all.has(facet.name) ? facet.values : facet.values.filter(([value], place) => place < FIRST || facet.chosen.includes(value));
  const hidden = facet.values.length - shown.length, more = hidden + facet.left_out;
  return element("section", {}, element("h3", {}, TITLES[facet.name]),
    ...shown.map(([value, count]) => value && line(facet, value, count)),
    facet.values.length ? null : element("span", { class: "cn-muted" }, facet.pending ? "asking" : "none"),
    hidden ? element("button", { type: "button", "data-focus": `more-${facet.name}`, onclick: () => { all.add(facet.name); draw({ data: root.cell, parentElement: root.parentElement }); } }, `${more} more`)
      : more ? element("span", { class: "cn-muted" }, `${more} less frequent ones are not listed; ${facet.name}:… in the search finds them`) : null);
}

function line(facet, value, count) {
  const on = facet.chosen.includes(value);
  const next = on ? facet.chosen.filter((one) => one !== value) : [...facet.chosen, value];
  return changeLink({ [facet.name]: next, after: null }, { class: on ? "cn-on" : "", title: value, "aria-current": on ? "true" : null, "data-focus": `${facet.name}-${value}` },
    element("span", { class: facet.name === "state" ? `cn-verdict cn-state-${value}` : "" }, value),
    element("b", {}, amount(count, "")));
}

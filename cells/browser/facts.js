// What is known of one thing: facts under headings, then long texts.

import { element, redraw } from "./dom.js";
import { zone } from "./format.js";
import { paragraph } from "./table.js";
import { drawValue } from "./values.js";

export function drawFacts(body, data) {
  const { sections, blocks, empty } = data.facts;
  redraw(body, JSON.stringify([data.facts, zone()]), () => {
    if (!sections.length && !blocks.length) return empty.length ? element("div", { class: "cn-empty" }, ...empty.map(paragraph)) : [];
    return [element("div", { class: "cn-facts" }, ...sections.map(section)), ...blocks.map(block)];
  });
}

function section({ title, facts }) {
  return element("section", {}, title ? element("h3", {}, title) : null, element("dl", {}, ...facts.flatMap((fact) => [
    element("dt", { title: fact.help || null }, fact.label), drawValue(element("dd"), fact.value, fact)])));
}

function block({ title, text, note }) {
  return element("section", { class: "cn-block" }, element("h3", {}, title), element("pre", {}, text),
    note ? element("p", { class: "cn-muted" }, note) : null);
}

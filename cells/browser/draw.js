// The one way in: what Python mounts says what it is.

import { draw as cell } from "./cell.js";
import { draw as controls } from "./controls.js";
import { draw as filters } from "./filters.js";
import { draw as headline } from "./headline.js";
import { draw as lookup } from "./lookup.js";
import { draw as notice } from "./notice.js";

const kinds = { cell, controls, filters, headline, lookup, notice };

export function draw(component) {
  return kinds[component.data.kind](component);
}

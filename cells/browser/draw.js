// The one way in: what Python mounts says what it is.

import { draw as cell } from "./cell.js";
import { draw as controls } from "./controls.js";
import { later } from "./dom.js";
import { draw as headline } from "./headline.js";

const kinds = { cell, controls, headline, filters: fetched("./filters.js"), lookup: fetched("./lookup.js"), notice: fetched("./notice.js") };

export function draw(component) {
  return kinds[component.data.kind](component);
}

// What few pages have is fetched when one has it: each file more holds up the first view of all.
function fetched(name) {
  return (component) => {
    let ended = false, end;
    later(name, (module) => { if (!ended) end = module.draw(component); }, component.parentElement.querySelector(".cn-root"));
    return () => {
      ended = true;
      end?.();
    };
  };
}

// The one way in: what Python mounts says what it is.

import { draw as cell } from "./cell.js";
import { draw as controls } from "./controls.js";
import { draw as headline } from "./headline.js";

const kinds = { cell, controls, headline, filters: later("filters"), lookup: later("lookup"), notice: later("notice") };

export function draw(component) {
  return kinds[component.data.kind](component);
}

// What few pages have is fetched when one has it: each file more holds up the first view of all.
function later(name) {
  return (component) => {
    let ended = false, end;
    import(`./${name}.js`).then((module) => { if (!ended) end = module.draw(component); });
    return () => {
      ended = true;
      end?.();
    };
  };
}

// A picture: each form has its module.

import { compareWith, drawComparison } from "./comparison.js";
import { element, holdsNothing, redraw } from "./dom.js";
import { drawFamily } from "./family.js";
import { drawLoad } from "./load.js";
import { zone } from "./format.js";
import { drawRuntimes } from "./runtimes.js";
import { paragraph } from "./table.js";
import { drawTimeline } from "./timeline.js";

const forms = { timeline: drawTimeline, family: drawFamily, runtimes: drawRuntimes, comparison: drawComparison, load: drawLoad };

export function drawPicture(body, { picture }) {
  redraw(body, JSON.stringify([picture, zone()]), () => [
    picture.empty.length ? element("div", { class: "cn-empty" }, ...picture.empty.map(paragraph))
      : holdsNothing(picture) ? [] : forms[picture.form](picture),
    picture.own ? compareWith(picture.own) : null,
  ].flat());
}

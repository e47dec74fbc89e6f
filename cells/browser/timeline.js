// Where a task's time went: one bar of its parts, and under it each with how long and from when to when.

import { element } from "./dom.js";
import { duration, exact, zone } from "./format.js";

const UNKNOWN_SHARE = 0.12; // of the bar, for a part of which nothing is known

export function drawTimeline({ parts, state, note }) {
  const known = parts.reduce((sum, part) => sum + (part.seconds ?? 0), 0);
  const unknown = parts.filter((part) => part.seconds === null).length;
  const whole = known || 1, share = unknown ? Math.min(UNKNOWN_SHARE, 1 / parts.length) : 0;
  const grow = (part) => (part.seconds === null ? share : (part.seconds / whole) * (1 - unknown * share) || 0.0001);
  return [
    element("div", { class: "cn-timeline", "aria-hidden": "true" }, ...parts.map((part) =>
      element("i", { class: style(part, state), style: `flex-grow:${grow(part)}`, title: told(part) }))),
    element("ol", { class: "cn-parts" }, ...parts.map((part) => element("li", {},
      element("i", { class: style(part, state), "aria-hidden": "true" }),
      element("span", {}, part.label, part.lasts ? " so far" : ""),
      element("b", { title: part.seconds === null ? null : `${part.seconds} s` }, part.seconds === null ? "–" : duration(part.seconds)),
      element("span", { class: "cn-muted" }, part.note || stretch(part))))),
    note ? element("p", { class: "cn-muted" }, note) : null,
  ];
}

const style = (part, state) => `cn-part cn-part-${part.kind}${part.lasts ? " cn-lasts" : ""}${part.kind === "run" ? ` cn-state-${state}` : ""}`;

const told = (part) => `${part.label}${part.seconds === null ? "" : ` ${duration(part.seconds)}`}`;

function stretch({ start, end, lasts }) {
  const at = (ms) => (ms === null ? "?" : exact(ms, zone()));
  return lasts ? `since ${at(start)}` : `${at(start)} to ${at(end)}`;
}

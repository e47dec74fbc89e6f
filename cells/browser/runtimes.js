// The runtimes of a task's newest runs, a bar each, the oldest on the left; this one is marked.

import { element } from "./dom.js";
import { duration, exact, zone } from "./format.js";
import { pageLink } from "./links.js";

export function drawRuntimes({ runs, usual }) {
  if (!runs.length) return [];
  const high = Math.max(...runs.map((run) => run.seconds ?? 0)) || 1;
  return [
    element("div", { class: "cn-runtimes" },
      usual === null ? null : element("span", { class: "cn-usual", style: `bottom:${(100 * usual) / high}%`, "aria-hidden": "true" }),
      ...runs.map((run) => bar(run, high))),
    element("p", { class: "cn-muted" }, `Longest ${duration(high)}`, usual === null ? "" : `; the line is the median of the others, ${duration(usual)}`, ". This one is underlined."),
  ];
}

function bar(run, high) {
  const took = run.seconds === null ? "runtime not known" : duration(run.seconds);
  const told = `${run.state}, ${took}, ${run.at === null ? "?" : exact(run.at, zone())}`;
  const drawn = element("i", { class: `cn-part cn-part-run cn-state-${run.state}${run.seconds === null ? " cn-part-unknown" : ""}`, style: `height:${run.seconds === null ? 4 : Math.max(1.5, (100 * run.seconds) / high)}%` });
  const marked = { class: run.own ? "cn-own" : null, title: told, "aria-label": told };
  return run.own ? element("span", { ...marked, role: "img" }, drawn) : pageLink(run.href, marked, drawn);
}

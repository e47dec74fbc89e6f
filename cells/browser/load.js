// What is to come: a bar an hour, in it a part a queue, as high as its slots will be busy.

import { element } from "./dom.js";
import { amount, clock, duration, zone } from "./format.js";

const HOUR = 3600;
const EVERY = 3; // hours between two that are named

export function drawLoad({ hours, queues }) {
  const high = Math.max(...hours.map((_, at) => sum(queues.map((queue) => queue.busy[at] ?? 0))), Number.MIN_VALUE);
  return [
    element("div", { class: "cn-load", role: "img", "aria-label": `Up to ${duration(high)} of work an hour` },
      ...hours.map((hour, at) => element("div", { class: "cn-hour", title: title(hour, at, queues) },
        ...queues.filter((queue) => queue.runs[at]).map((queue) => part(queue, at, high))))),
    element("div", { class: "cn-load-axis cn-muted" }, ...hours.map((hour, at) => element("span", {}, at % EVERY ? "" : clock(hour, zone()).slice(0, 5)))),
    element("ul", { class: "cn-load-queues" }, ...queues.map((queue) => element("li", {}, element("i", { style: `background:${queue.colour}` }),
      element("span", {}, queue.queue ?? "queue not known"), element("span", { class: "cn-muted" }, told(queue.runs, queue.busy))))),
  ];
}

const sum = (values) => values.reduce((all, one) => all + one, 0);

// Of what it is not known how long it takes, a thin line tells that it comes.
function part({ colour, busy }, at, high) {
  const look = busy[at] === null ? `--part:${colour}` : `background:${colour};height:${(100 * busy[at]) / high}%`;
  return element("i", { class: busy[at] === null ? "cn-untold" : "", style: look });
}

function told(runs, busy) {
  const known = busy.filter((seconds, at) => runs[at] && seconds !== null), untold = runs.some((count, at) => count && busy[at] === null);
  const work = known.length ? `${duration(sum(known))} of work${untold ? " at least" : ""}` : "work not known: no run was recorded";
  return `${amount(sum(runs), "")} ${sum(runs) === 1 ? "run" : "runs"}, ${work}`;
}

function title(hour, at, queues) {
  const lines = queues.filter((queue) => queue.runs[at]).map((queue) => `${queue.queue ?? "queue not known"}: ${told([queue.runs[at]], [queue.busy[at]])}`);
  const slots = sum(queues.map((queue) => queue.busy[at] ?? 0)) / HOUR;
  return [`from ${clock(hour, zone(), true).slice(0, 16)}`, ...(lines.length ? lines : ["nothing is due"]), slots ? `${amount(slots, "")} slots busy on average` : ""].filter(Boolean).join("\n");
}

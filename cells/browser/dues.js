// The last due times of an entry of a schedule, a block each: on time, late, missed, doubled, failed. A run leads to its task.

import { element } from "./dom.js";
import { clock, duration, zone } from "./format.js";
import { pageLink } from "./links.js";

const TOLD = {
  on_time: "on time", late: "late", missed: "missed: nothing came", doubled: "doubled: one run more than was due",
  unknown: "not known: nothing was recorded then", ran: "ran, not compared",
};

// `blocks`: kind, due and came (milliseconds or null), id and state of the task or null, in order of time.
export function dues(blocks) {
  const counts = Object.keys(TOLD).map((kind) => [blocks.filter((block) => block[0] === kind).length, kind]).filter(([count]) => count);
  const label = counts.map(([count, kind]) => `${count} ${kind.replace("_", " ")}`).join(", ");
  return element("span", { class: "cn-due-times", role: "group", "aria-label": `Last ${blocks.length}: ${label}` }, ...blocks.map(drawn));
}

function drawn(block) {
  const [kind, , , id, state] = block, told = title(block);
  const look = { class: `cn-due-${state === "FAILURE" ? "failed" : kind}`, title: told, "aria-label": told };
  // Sixty stops a row would keep a keyboard from the rows below; each run is in the list of tasks as well.
  return id ? pageLink(`/task?id=${encodeURIComponent(id)}`, { ...look, tabindex: "-1" }) : element("i", look);
}

function title([kind, due, came, , state]) {
  const words = [clock(due ?? came, zone(), true), TOLD[kind]];
  if (due !== null && came !== null) words.push(`came ${duration(Math.abs(came - due) / 1000)} ${came < due ? "early" : "after it was due"}`);
  if (state) words.push(state);
  return words.join(" · ");
}

// A family of tasks: an indented tree, and beside each task its bar on one axis of time.

import { element } from "./dom.js";
import { clock, duration, exact, zone } from "./format.js";
import { part } from "./headline.js";
import { pageLink } from "./links.js";

const FIRST = 100; // tasks drawn at once; the rest a click away
const DEEPEST = 8; // beyond that they are indented no more

export function drawFamily(picture) {
  const { branches, says, start, end } = picture;
  const list = element("ol", { class: "cn-family" });
  const draw = (count) => list.replaceChildren(
    element("li", { class: "cn-branch cn-muted", "aria-hidden": "true" }, element("span", {}, "task"), axis(start, end), element("span", {}, "wait · run")),
    ...branches.slice(0, count).map((one) => branch(one, start, end)));
  draw(FIRST);
  const more = element("button", { type: "button", onclick: () => { draw(branches.length); more.remove(); } }, `Show all ${branches.length}`);
  return [
    ...says.map((words) => element("p", { class: "cn-chord" }, ...words.map(part))),
    branches.length ? list : null,
    branches.length > FIRST ? more : null,
  ];
}

function axis(start, end) {
  const seconds = (end - start) / 1000;
  return element("span", { class: "cn-axis" }, element("span", {}, clock(start, zone(), seconds > 86400)), element("span", {}, `+ ${duration(seconds)}`));
}

function branch(one, start, end) {
  const title = [one.waits, one.runs, one.lasts ? null : one.ends].map((ms) => (ms === null ? "?" : exact(ms, zone()))).join(" → ");
  const shown = one.own ? element("b", {}, one.name) : pageLink(one.href, {}, one.name);
  return element("li", { class: `cn-branch${one.own ? " cn-own" : ""}`, "aria-current": one.own || null },
    element("span", { class: "cn-who", style: `padding-left:${0.9 * Math.min(one.depth, DEEPEST)}rem` },
      one.depth ? element("span", { class: "cn-muted", "aria-hidden": "true" }, "└ ") : null, shown, " ",
      element("span", { class: `cn-verdict cn-state-${one.state}` }, one.state),
      one.last_line ? element("span", { class: "cn-muted", title: "On the line of tasks that ended last: the whole took as long as these" }, " ●") : null),
    element("span", { class: "cn-lane", title, "aria-hidden": "true" }, ...bars(one, start, end)),
    element("span", { class: "cn-took" }, `${known(one.wait)} · ${known(one.runtime)}${one.lasts && one.runs !== null ? " so far" : ""}`));
}

const known = (seconds) => (seconds === null ? "–" : duration(seconds));

function bars({ waits, runs, ends, lasts, state }, start, end) {
  const whole = end - start || 1, percent = (ms) => `${(100 * (ms - start)) / whole}%`;
  const bar = (from, to, kind) => (from === null || to === null || to < from ? null
    : element("i", { class: kind, style: `left:${percent(from)};width:${(100 * (to - from)) / whole}%` }));
  return [
    bar(waits, runs ?? ends, "cn-part cn-part-queue"),
    bar(runs, ends, `cn-part cn-part-run cn-state-${state}${lasts ? " cn-lasts" : ""}`),
  ].filter(Boolean);
}

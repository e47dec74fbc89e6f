// A cell: heading, one line that says what to conclude, a plot or a table, failures in their place, and under it
// one quiet line with the buttons. The same node is kept over refreshes.

import { ago, clock, duration, zone } from "./format.js";
import { copy, element, holdsNothing, later, panel, redraw, unpressed } from "./dom.js";
import { address, tooLarge } from "./links.js";
import { drawFacts } from "./facts.js";
import { drawPlot, summaryTable } from "./plot.js";
import { drawTable } from "./table.js";

export function draw({ data, parentElement, setTriggerValue }) {
  const root = kept(parentElement) ?? moved(data.name, parentElement) ?? frame(parentElement);
  root.id = data.name;
  roots.set(data.name, Object.assign(root, { of: subject(), leftAt: null }));
  const home = root.parentElement;
  root.homes ??= new Set();
  root.homes.delete(home);
  root.homes.add(home); // the last
  Object.assign(root, { cell: data, setTriggerValue });
  const at = (name) => root.querySelector(`.cn-${name}`);
  root.again ??= () => unpressed(at("body"), () => drawBody(root));
  document.addEventListener("cn-zone", root.again);
  redraw(at("head"), data.title + data.line, () => [element("h2", {}, data.title), element("p", {}, data.line)]);
  drawFailures(at("failures"), data.rows);
  root.again();
  unpressed(at("foot"), () => drawFoot(at("foot"), root));
  tick(root);
  if (!data.pending && !root.arrived) arrive(root);
  root.clock ??= setInterval(() => {
    if (root.isConnected) return tick(root);
    clearInterval(root.clock);
    root.clock = null; // for a root that is put back
  }, 1000);
  return () => {
    root.leftAt = performance.now();
    if (root.of !== subject() && roots.get(root.id) === root) roots.delete(root.id); // the page is left, with all its places
    document.removeEventListener("cn-zone", root.again);
    root.homes.delete(home);
    // A place that is left may have been drawn once more after the new one, and have taken the node with it.
    if (root.homes.size && root.parentElement === home) [...root.homes].at(-1).append(root);
  };
}

const roots = new Map(); // by the cell's name
const MOVED_MS = 30_000; // on a busy machine the run that mounts it anew takes long
const ONE = { "/queue": "name", "/task": "id", "/worker": "name" }; // pages that are of one, and the parameter that says which

// What the page is of.
function subject() {
  const of = ONE[location.pathname];
  return of ? JSON.stringify([location.pathname, new URLSearchParams(location.search).get(of)]) : location.pathname;
}

// Of another worker the cell is begun anew: while its answer is awaited nothing of this one stands there, nor its zoom.
function kept(parent) {
  const root = parent.querySelector(".cn-cell");
  if (!root || root.of === subject()) return root;
  document.removeEventListener("cn-zone", root.again);
  root.remove();
  return null;
}

// A cell that moves within its notebook is mounted anew: its node comes along, with its zoom and all that is open.
function moved(name, parent) {
  const root = roots.get(name);
  if (root?.of !== subject() || (root.leftAt !== null && performance.now() - root.leftAt > MOVED_MS)) return null;
  parent.querySelector(".cn-root").append(root);
  return root;
}

// A link may name its cell, which is not there yet when the browser looks for it.
function arrive(root) {
  root.arrived = true;
  if (location.hash === `#${root.id}`) requestAnimationFrame(() => root.scrollIntoView());
}

function drawBody(root) {
  const body = root.querySelector(".cn-body"), data = root.cell;
  body.classList.toggle("cn-pending", data.pending);
  body.setAttribute("aria-busy", String(data.pending));
  root.hidden = isEmpty(data);
  if (data.figure) drawPlot(body, data, root.setTriggerValue);
  else if (data.table) drawTable(body, data);
  else if (data.facts) drawFacts(body, data);
  else if (data.picture) later("./picture.js", ({ drawPicture }) => root.cell.picture && drawPicture(body, root.cell), body); // what it is by then
}

// Nothing to show, and nothing to say of it: such a cell is not there.
function isEmpty({ pending, rows, table, facts, picture }) {
  if (pending || rows.some((row) => row.failures.length)) return false;
  const { rows: shown, apart, empty } = table ?? {};
  return holdsNothing(table ? { shown, apart, empty } : facts ?? picture ?? { none: [0] });
}

function frame(parent) {
  const section = element("section", { class: "cn-cell", "data-piece": "cell" },
    ...["head", "failures", "body", "foot"].map((part) => element("div", { class: `cn-${part}` })));
  (parent.querySelector(".cn-root") ?? parent).append(section);
  return section;
}

// One line for each thing that failed, with all it took down.
function drawFailures(place, rows) {
  const groups = new Map();
  for (const failure of rows.flatMap((row) => row.failures)) {
    const key = JSON.stringify([failure.source, failure.what]);
    groups.set(key, [...(groups.get(key) ?? []), failure]);
  }
  const told = [...groups.values()].map((failures) => ({
    ...failures[0], names: failures.map((failure) => failure.label).filter(Boolean).join("; "),
    since: Math.min(...failures.map((failure) => failure.since)),
    measured: Math.min(...failures.map((failure) => failure.measured_at ?? Infinity)),
  }));
  redraw(place, JSON.stringify(told.map(({ names, source, what, hint, since }) => [names, source, what, hint, since])) + zone(), () =>
    told.map(({ names, source, what, hint, since }) => element("p", { class: "cn-failure" },
      // What is said aloud, once; not the times beside it, which tick.
      element("span", { role: "status" }, names ? element("strong", {}, `${names}: `) : null, `${source}: ${what}. `, hint ? `${hint}. ` : ""),
      element("span", { class: "cn-muted" }, `Since ${clock(since, zone())}`, element("span", { "data-age": "" }), element("span", { "data-retry": "" })))));
  told.forEach(({ measured, retry_at: retryAt }, at) => {
    place.children[at].querySelector("[data-age]").dataset.age = Number.isFinite(measured) ? measured : "";
    place.children[at].querySelector("[data-retry]").dataset.retry = retryAt ?? "";
  });
}

function drawFoot(foot, root) {
  const { rows, figure, links } = root.cell;
  // A panel that somebody reads is not taken away under the hands; each is filled when it is opened.
  if (foot.querySelector("details[open]")) return;
  const key = JSON.stringify([rows.map((row) => row.notes), rows.some((row) => row.csv.length), Boolean(figure), Boolean(links?.live)]);
  redraw(foot, key, () => [
    element("div", { class: "cn-quiet" }, element("span", { class: "cn-source" }), ...notes(rows)),
    element("div", { class: "cn-buttons" },
      panel("Query", () => root.cell.rows.map((row) => codeOf(row))),
      figure ? panel("Table", () => [summaryTable(root)]) : null,
      figure || rows.some((row) => row.csv.length) ? panel("Export", () => [later("./export.js", ({ exportChoices }, place) => place.append(...exportChoices(root)))]) : null,
      links ? linkPanel(root) : null,
      root.cell.takes ? panel("To notebook", () => [later("./take.js", ({ takePanel }, place) => place.append(...takePanel(root.cell.name)))]) : null),
  ]);
}

function notes(rows) {
  const texts = [...new Set(rows.flatMap((row) => row.notes))];
  return texts.map((text) => element("span", { class: "cn-note" }, text));
}

function codeOf(row) {
  return element("div", {}, row.label ? element("strong", {}, row.label) : null,
    row.advice ? element("p", { class: "cn-muted" }, row.advice) : null,
    ...row.code.map((code) => element("div", { class: "cn-code" }, element("pre", {}, code),
      element("button", { type: "button", onclick: (event) => copy(code, event.target) }, "Copy"))));
}

function linkPanel(root) {
  const row = (label, line, params) => element("p", {},
    element("button", { type: "button", onclick: (event) => copy(String(address(params, root.cell.name)), event.target) }, label),
    element("span", { class: "cn-muted" }, line));
  const kept = new URLSearchParams(location.search).has("snapshot");
  return panel("Link", () => kept ? [row("Copy link", "to this cell of the snapshot", root.cell.links.frozen)] : [
    ...(tooLarge() ? [element("p", {}, tooLarge())] : [
      root.cell.links.live ? row("Copy live link", "follows the present", root.cell.links.live) : null,
      row("Copy frozen link", "keeps this stretch of time", root.cell.links.frozen),
    ]),
    element("p", {}, element("button", { type: "button", onclick: openShare }, "Snapshot …"),
      element("span", { class: "cn-muted" }, "keeps what all of the page shows"))]);
}

function openShare() {
  const share = document.querySelector(".cn-share");
  share.open = true;
  share.scrollIntoView({ block: "center" });
  share.querySelector("summary").focus({ preventScroll: true });
}

// What ages between two refreshes.
function tick(root) {
  const now = Date.now(), { rows } = root.cell;
  const source = root.querySelector(".cn-source");
  if (source) source.textContent = quietLine(rows, root.cell.asked ? null : now);
  for (const node of root.querySelectorAll("[data-age]")) {
    const age = Math.max(0, now - Number(node.dataset.age)) / 1000;
    node.textContent = node.dataset.age ? ` · last good answer ${duration(age)} ago` : " · no answer yet";
  }
  for (const node of root.querySelectorAll("[data-moment]")) {
    const text = ago(Number(node.dataset.moment));
    if (node.textContent !== text) node.textContent = text;
  }
  for (const node of root.querySelectorAll("[data-retry]")) {
    const left = (Number(node.dataset.retry) - now) / 1000;
    node.textContent = node.dataset.retry && left > 0 ? ` · next try in ${duration(left)}` : node.dataset.retry ? " · trying again" : "";
  }
}

// `now`: null in a file, which says itself when all of it was measured.
function quietLine(rows, now) {
  const sum = (name) => rows.reduce((total, row) => total + row[name], 0);
  const measured = rows.map((row) => row.measured_at).filter(Boolean);
  const age = measured.length && now ? Math.max(0, now - Math.min(...measured)) / 1000 : null;
  const many = (count, one, more) => `${count.toLocaleString("en-US")} ${count === 1 ? one : more}`;
  return [
    [...new Set(rows.flatMap((row) => row.origin))].join(", ") || "asking",
    rows.some((row) => row.points) ? many(sum("series"), "series", "series") : null,
    rows.some((row) => row.points) ? many(sum("points"), "point", "points") : many(sum("series"), "row", "rows"),
    `${Math.round(sum("took_ms"))} ms`,
    age === null ? null : age < 1.5 ? "now" : `${duration(age)} ago`,
  ].filter(Boolean).join(" · ");
}

// Rows on one time axis, drawn by Plotly.react into one node that lives as long as the cell: zoom, hidden series
// and the crosshair survive every refresh. Zoom and hover are ours, so that they cover all rows at once.

import { amount, clock, offset, zone } from "./format.js";
import { element, redraw } from "./dom.js";
import { plotly } from "./library.js";
import { choose, chosen } from "./links.js";

const HEAD = 26; // px above each row for its label and legend, more when the legend wraps
const ROWS = [150, 104];

export function drawPlot(body, data, setTriggerValue) {
  const plot = body.plot ??= create(body);
  plot.setTriggerValue = setTriggerValue;
  const tz = zone(), dark = isDark(body);
  if (plot.figure === data.figure && plot.tz === tz && plot.dark === dark) return;
  Object.assign(plot, { figure: data.figure, tz, dark, rows: data.rows, data, spec: spec(data, dark) });
  if (plot.window !== data.window_key) Object.assign(plot, { window: data.window_key, zoom: plot.window ? null : zoomFromUrl(data) });
  plotly().then(() => render(plot), () => {
    body.replaceChildren(element("p", { class: "cn-failure" }, "The chart library did not load. Reload the page."));
  });
}

function create(body) {
  const plot = { body, cursor: null };
  plot.chart = element("div", { class: "cn-chart" });
  plot.line = element("div", { class: "cn-crosshair", hidden: true });
  plot.tip = element("div", { class: "cn-tip", hidden: true, role: "status" });
  plot.zoomBar = element("div", { class: "cn-zoom", hidden: true });
  plot.box = element("div", { class: "cn-plot", tabindex: "0", role: "group",
    "aria-label": "Chart. Left and right arrows move the crosshair, Escape ends the zoom." });
  plot.heads = element("div", { class: "cn-heads" });
  plot.box.append(plot.chart, plot.heads, plot.line, plot.tip);
  body.replaceChildren(plot.zoomBar, plot.box);
  plot.box.addEventListener("pointermove", (event) => point(plot, event.clientX));
  plot.box.addEventListener("pointerdown", (event) => point(plot, event.clientX));
  plot.box.addEventListener("pointerleave", () => hide(plot));
  plot.box.addEventListener("keydown", (event) => keys(plot, event));
  new ResizeObserver(() => {
    const width = plot.box.clientWidth; // none while its cell moves
    if (plot.layout && width && width !== plot.width) render(plot);
  }).observe(plot.box);
  return plot;
}

function isDark(node) {
  const colour = getComputedStyle(node).getPropertyValue("--st-background-color").trim();
  const [r, g, b] = (colour.match(/[0-9a-f]{2}/gi) ?? ["ff", "ff", "ff"]).map((pair) => parseInt(pair, 16));
  return r + g + b < 380;
}

// The figure is built in light colours; each has one dark partner, an alpha after it stays.
function spec(data, dark) {
  const recoloured = (key, value) => {
    if (typeof value !== "string" || !/color$/.test(key)) return value;
    return (data.dark[value.slice(0, 7)] ?? value.slice(0, 7)) + value.slice(7);
  };
  return JSON.parse(data.figure, dark ? recoloured : undefined);
}

function render(plot) {
  const { layout, data } = structuredClone(plot.spec);
  const { start, end } = plot.data.window;
  plot.shift = offset(end, plot.tz);
  plot.hidden = new Set(chosen(`${plot.data.name}.hidden`));
  for (const trace of data) {
    if (trace.meta.kind !== "none") moveTime(trace, plot);
    trace.visible = plot.hidden.has(key(trace.meta)) ? "legendonly" : true;
  }
  for (const shape of layout.shapes ?? []) [shape.x0, shape.x1] = [shape.x0, shape.x1].map((text) => written(read(text), plot.tz));
  plot.traces = data;
  drawHeads(plot, data);
  plot.width = plot.box.clientWidth; // after all that stands in it, or the browser lays it out twice
  place(plot, layout);
  layout.xaxis.range = (plot.zoom ?? [start, end]).map((ms) => written(ms, plot.tz));
  layout.xaxis.nticks = Math.max(3, Math.floor(plot.width / 110));
  if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false; // a finger scrolls the page
  layout.uirevision = plot.window;
  plot.layout = layout;
  const fresh = !plot.chart.classList.contains("js-plotly-plot");
  window.Plotly.react(plot.chart, data, layout, { displayModeBar: false, displaylogo: false, showSendToCloud: false, doubleClick: false });
  if (fresh) {
    plot.chart.on("plotly_relayout", (change) => zoomed(plot, change));
    plot.chart.on("plotly_doubleclick", () => setZoom(plot, null));
  }
  labelZoom(plot);
  if (plot.cursor !== null) show(plot, plot.cursor);
}

// In the width that it has now: who watches it is told too late for paper.
export function drawAgain(body) {
  if (body.plot?.layout) render(body.plot);
}

// Plotly knows no time zones: what it writes as UTC is our local time. Numbers it would take for the browser's own.
const written = (ms, tz) => new Date(ms + offset(ms, tz)).toISOString().slice(0, -1).replace("T", " ");
const read = (text) => Date.parse(`${String(text).replace(" ", "T").slice(0, 23)}Z`);

// Over a change of clocks each point is moved by its own offset.
function moveTime(trace, plot) {
  const { start } = plot.data.window;
  trace.start = read(trace.x0);
  trace.step = trace.dx;
  if (offset(start, plot.tz) === plot.shift) {
    trace.x0 = written(trace.start, plot.tz);
  } else {
    trace.x = Array.from({ length: numbers(trace).length }, (_, k) => written(trace.start + k * trace.dx, plot.tz));
    delete trace.x0;
    delete trace.dx;
  }
}

// Back from what Plotly says to milliseconds of UTC.
function utc(plot, local) {
  const ms = typeof local === "number" ? local : read(local);
  return ms - offset(ms - plot.shift, plot.tz);
}

const key = (meta) => `${meta.row}/${meta.name}`;

function drawHeads(plot, traces) {
  redraw(plot.heads, JSON.stringify([plot.dark, traces.map((t) => [t.meta, colourOf(t)]), plot.rows.map((r) => [r.label, r.empty])]), () =>
    plot.rows.map((row, place) => element("div", { class: "cn-row-head" },
      element("strong", {}, row.label),
      ...traces.filter((trace) => trace.meta.row === place && !["limit", "none"].includes(trace.meta.kind)).map((trace) => element("button", {
        type: "button", class: "cn-legend", "data-focus": key(trace.meta), title: trace.meta.name,
        onclick: () => toggle(plot, key(trace.meta)),
      }, element("i", { style: `background:${colourOf(trace)}` }), trace.meta.name)),
      row.empty ? element("span", { class: "cn-muted" }, row.empty) : null)));
  for (const node of plot.heads.querySelectorAll(".cn-legend")) node.setAttribute("aria-pressed", String(!plot.hidden.has(node.dataset.focus)));
}

const colourOf = (trace) => trace.line?.color ?? trace.marker?.color ?? "transparent";

function toggle(plot, name) {
  const hidden = new Set(plot.hidden);
  if (!hidden.delete(name)) hidden.add(name);
  choose(`${plot.data.name}.hidden`, hidden);
  render(plot);
}

// Heights are the heads' own, so that a legend may wrap on a phone.
function place(plot, layout) {
  const heads = [...plot.heads.children], bottom = layout.margin.b;
  const rows = heads.map((_, row) => (row === 0 ? ROWS[0] : ROWS[1]));
  const tall = heads.map((head) => Math.max(HEAD, head.offsetHeight + 6));
  const inner = rows.reduce((a, b) => a + b, 0) + tall.reduce((a, b) => a + b, 0);
  layout.margin.t = 0;
  layout.height = inner + bottom;
  layout.width = plot.width;
  let y = 0;
  heads.forEach((head, row) => {
    head.style.top = `${y}px`;
    const top = y + tall[row], axis = layout[row === 0 ? "yaxis" : `yaxis${row + 1}`];
    axis.domain = [1 - (top + rows[row]) / inner, 1 - top / inner];
    Object.assign(axis, ticks(plot, row));
    y = top + rows[row];
  });
  plot.box.style.height = `${layout.height}px`;
  plot.bottom = bottom;
}

// Round binary ticks for bytes: Plotly's own are decimal.
function ticks(plot, row) {
  if (plot.rows[row].unit !== "bytes") return {};
  const peak = plot.traces.filter((trace) => trace.meta.row === row).reduce((high, trace) => Math.max(high, highest(trace)), 0);
  const step = 2 ** Math.max(10, Math.ceil(Math.log2(Math.max(peak, 1) / 3)));
  const values = Array.from({ length: Math.floor(peak / step) + 1 }, (_, k) => k * step);
  return { tickvals: values, ticktext: values.map((value) => value ? amount(value, "bytes") : "0") };
}

function highest(trace) {
  let high = 0;
  for (const value of numbers(trace)) if (Number.isFinite(value) && value > high) high = value;
  return high;
}

const types = { f4: Float32Array, f8: Float64Array };

// A trace's values, whether they still travel as base64 or not.
function numbers(trace) {
  const y = trace.y;
  if (!y?.bdata) return y ?? [];
  trace.values ??= new types[y.dtype](Uint8Array.from(atob(y.bdata), (c) => c.charCodeAt(0)).buffer);
  return trace.values;
}

// --- zoom; of bars, which are coarse, it is the page's range at once ---------------------------------------------

function zoomed(plot, change) {
  const range = change["xaxis.range[0]"] !== undefined ? [change["xaxis.range[0]"], change["xaxis.range[1]"]] : change["xaxis.range"];
  if (!range) return;
  const ends = range.map((local) => utc(plot, local));
  if (!ends.every(Number.isFinite)) return;
  if (!plot.data.own_range && plot.spec.data.every((trace) => trace.meta.kind === "bars")) plot.setTriggerValue("range", ends.map((ms) => new Date(ms).toISOString()));
  else setZoom(plot, ends);
}

function setZoom(plot, range) {
  plot.zoom = range;
  choose("zoom", range ? [range.map((ms) => new Date(ms).toISOString()).join("/")] : []);
  render(plot);
}

function zoomFromUrl(data) {
  const range = (chosen("zoom")[0] ?? "").split("/").map(Date.parse);
  const inside = range.length === 2 && range.every(Number.isFinite) && range[0] < range[1];
  return inside && range[0] < data.window.end && range[1] > data.window.start ? range : null;
}

function labelZoom(plot) {
  plot.zoomBar.hidden = !plot.zoom;
  if (!plot.zoom) return;
  const [from, to] = plot.zoom;
  redraw(plot.zoomBar, `${from}/${to}/${plot.tz}`, () => [
    element("span", {}, `${clock(from, plot.tz, true)} – ${clock(to, plot.tz, true)}`),
    plot.data.own_range ? null : element("button", { type: "button", onclick: () => plot.setTriggerValue("range", plot.zoom.map((ms) => new Date(ms).toISOString())) },
      "Make this the page's range"),
    element("button", { type: "button", onclick: () => setZoom(plot, null) }, "Show all"),
  ]);
}

// --- crosshair --------------------------------------------------------------------------------------------------

function point(plot, clientX) {
  const axis = plot.chart._fullLayout?.xaxis;
  if (!axis) return;
  const x = clientX - plot.chart.getBoundingClientRect().left - axis._offset;
  if (x < 0 || x > axis._length) return hide(plot);
  show(plot, utc(plot, axis.p2d(x)));
}

function show(plot, ms) {
  const axis = plot.chart._fullLayout?.xaxis, { start, end, step } = plot.data.window;
  if (!axis) return;
  const place = Math.round((Math.min(Math.max(ms, start), end) - start) / step), moment = start + place * step;
  plot.cursor = moment;
  const x = axis._offset + axis.d2p(written(moment, plot.tz));
  plot.line.style.left = `${x}px`;
  plot.line.style.bottom = `${plot.bottom}px`;
  plot.line.hidden = plot.tip.hidden = false;
  plot.tip.replaceChildren(
    element("div", { class: "cn-when" }, clock(moment, plot.tz, true), plot.tz === "UTC" ? " UTC" : element("span", { class: "cn-muted" }, ` ${clock(moment, "UTC")} UTC`)),
    ...plot.rows.flatMap((row, index) => tipRow(plot, row, index, moment)));
  const wide = plot.tip.offsetWidth;
  plot.tip.style.left = `${Math.max(0, x + 14 + wide > plot.width ? x - 14 - wide : x + 14)}px`;
}

function tipRow(plot, row, index, moment) {
  const known = plot.traces
    .filter((trace) => trace.meta.row === index && trace.meta.kind !== "none" && !plot.hidden.has(key(trace.meta)))
    .map((trace) => [trace, numbers(trace)[Math.round((moment - trace.start) / trace.step)]])
    .filter(([, value]) => value !== undefined && value !== null && !Number.isNaN(value));
  const lines = known.filter(([trace]) => trace.meta.kind !== "limit");
  // A limit stands beside what it limits; that of a total beside the only line there is.
  const limitOf = (trace) => known.find(([other]) => other.meta.kind === "limit" && (lines.length === 1 || other.meta.name === trace.meta.name));
  return [element("div", { class: "cn-tip-head" }, row.label),
    ...(lines.length ? lines.map(([trace, value]) => element("div", { class: "cn-tip-line" },
      element("i", { style: `background:${colourOf(trace)}` }), element("span", {}, trace.meta.name),
      element("b", {}, amount(value, row.unit)),
      limitOf(trace) ? element("span", { class: "cn-muted cn-of" }, `of ${amount(limitOf(trace)[1], row.unit)}`) : null))
      : [element("div", { class: "cn-muted" }, "not known")])];
}

function hide(plot) {
  plot.cursor = null;
  plot.line.hidden = plot.tip.hidden = true;
}

function keys(plot, event) {
  if (event.target !== plot.box) return;
  const { start, end, step } = plot.data.window;
  const jump = (event.shiftKey ? 10 : 1) * Math.max(step, (end - start) / 200);
  const moves = { ArrowLeft: -jump, ArrowRight: jump };
  if (event.key in moves) show(plot, (plot.cursor ?? end) + moves[event.key]);
  else if (event.key === "Escape") { hide(plot); if (plot.zoom) setZoom(plot, null); }
  else return;
  event.preventDefault();
}

// --- the same as numbers ----------------------------------------------------------------------------------------

export function summaryTable(root) {
  const plot = root.querySelector(".cn-body").plot;
  const rows = (plot?.traces ?? []).filter((trace) => trace.meta.kind !== "none").map((trace) => {
    const known = [...numbers(trace)].filter((value) => Number.isFinite(value));
    const unit = plot.rows[trace.meta.row].unit;
    const figures = known.length
      ? [known.at(-1), Math.min(...known), known.reduce((a, b) => a + b, 0) / known.length, Math.max(...known)] : [NaN, NaN, NaN, NaN];
    return element("tr", {}, element("td", {}, plot.rows[trace.meta.row].label), element("td", {}, trace.meta.kind === "limit" ? `${trace.meta.name} (limit)` : trace.meta.name),
      ...figures.map((value) => element("td", { class: "cn-number" }, amount(value, unit))));
  });
  return element("div", { class: "cn-scroll" }, element("table", { class: "cn-table" },
    element("thead", {}, element("tr", {}, ...["", "series", "last", "least", "mean", "most"].map((name) => element("th", {}, name)))),
    element("tbody", {}, ...rows)));
}

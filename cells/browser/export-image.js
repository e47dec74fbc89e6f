// A plot as a picture that explains itself: under its title, with its rows' heads, its stretch of time and its source.
// Drawn as SVG from what is on the screen; a PNG is that, painted.

import { saveFile } from "./export-file.js";
import { clock } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const PAD = 24, SCALE = 2;
const FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', sans-serif"; // a picture brings no fonts along

export async function save(root, kind) {
  const plot = root.querySelector(".cn-body").plot;
  const drawn = await compose(root, plot);
  const text = new XMLSerializer().serializeToString(drawn);
  const blob = kind === "svg" ? new Blob([text], { type: "image/svg+xml" }) : await painted(text, drawn);
  const start = new Date((plot.zoom ?? [plot.data.window.start])[0]).toISOString().slice(0, 19).replace(/[-:]/g, "");
  saveFile(blob, `${root.cell.name}-${start}Z.${kind}`);
}

async function compose(root, plot) {
  const look = looks(root), width = plot.width + 2 * PAD, height = plot.layout.height;
  const chart = await chartOf(plot, plot.width, height);
  const parts = [], line = (text, size, colour, options) => {
    for (const one of wrapped(text, size, plot.width, options)) {
      top += size * 1.45;
      parts.push(words(one, PAD, top - size * 0.4, size, colour, options));
    }
  };
  let top = PAD - 6;
  line(root.cell.title, 19, look.text, { weight: 600 });
  line(root.cell.line, 13, look.muted);
  line(stretch(plot), 13, look.text);
  top += 10;
  const body = node("g", { transform: `translate(${PAD} ${top})` }, chart, ...heads(plot, look));
  top += height + 4;
  line(source(root, plot), 11.5, look.muted);
  const whole = Math.ceil(top + PAD / 2);
  return node("svg", { xmlns: SVG, width, height: whole, viewBox: `0 0 ${width} ${whole}`, "font-family": FONT, role: "img" },
    node("title", {}, root.cell.title),
    node("rect", { width, height: whole, fill: look.background }), ...parts, body);
}

// Plotly's own drawing of the figure as it is zoomed and with what is hidden left out.
async function chartOf(plot, width, height) {
  const address = await window.Plotly.toImage(plot.chart, { format: "svg", width, height });
  const text = decodeURIComponent(address.slice(address.indexOf(",") + 1));
  return document.importNode(new DOMParser().parseFromString(text, "image/svg+xml").documentElement, true);
}

// The heads stand over the chart as elements of the page: the same words at the same places.
function heads(plot, { text, muted }) {
  const origin = plot.box.getBoundingClientRect();
  return [...plot.heads.children].flatMap((head) => [...head.children].flatMap((part) => {
    const swatch = part.querySelector("i"), shown = part.getAttribute("aria-pressed") !== "false";
    const box = part.getBoundingClientRect(), x = box.left - origin.left, y = box.top - origin.top;
    if (!shown || !box.width) return [];
    const size = parseFloat(getComputedStyle(part).fontSize), bold = part.localName === "strong";
    const at = swatch ? swatch.getBoundingClientRect() : null;
    const begins = at ? at.right - origin.left + 5 : x, room = box.right - origin.left - begins;
    const fitting = cut(part.textContent, size, room * 1.08, { weight: bold ? 600 : 400 });
    const label = words(fitting, begins, y + box.height / 2 + size * 0.35, size, bold || at ? text : muted, { weight: bold ? 600 : 400, room });
    return at ? [node("rect", { x: at.left - origin.left, y: at.top - origin.top, width: at.width, height: at.height, rx: 2, fill: getComputedStyle(swatch).backgroundColor }), label] : [label];
  }));
}

function looks(root) {
  const style = getComputedStyle(root), muted = root.querySelector(".cn-head p");
  return {
    text: style.color, muted: getComputedStyle(muted).color,
    background: style.getPropertyValue("--st-background-color").trim() || "#ffffff",
  };
}

function stretch(plot) {
  const { start, end } = plot.data.window, [from, to] = plot.zoom ?? [start, end];
  return `${clock(from, plot.tz, true)} – ${clock(to, plot.tz, true)} ${plot.tz}`;
}

function source(root, plot) {
  const { rows } = root.cell, measured = rows.map((row) => row.measured_at).filter(Boolean);
  const failed = rows.flatMap((row) => row.failures).map(({ label, source, what }) => `${label ? `${label}: ` : ""}${source}: ${what}`);
  return [
    [...new Set(rows.flatMap((row) => row.origin))].join(", "),
    measured.length ? `measured ${clock(Math.min(...measured), plot.tz, true)}` : "",
    ...new Set(rows.flatMap((row) => row.notes)), ...new Set(failed), "Celery Notebook",
  ].filter(Boolean).join(" · ");
}

// --- words --------------------------------------------------------------------------------------------------------

const pen = document.createElement("canvas").getContext("2d");

function widthOf(text, size, { weight = 400 } = {}) {
  pen.font = `${weight} ${size}px ${FONT}`;
  return pen.measureText(text).width;
}

function wrapped(text, size, room, options) {
  const lines = [];
  for (const word of text.split(" ").filter(Boolean)) {
    const longer = `${lines.at(-1) ?? ""} ${word}`.trim();
    if (lines.length && widthOf(longer, size, options) <= room) lines[lines.length - 1] = longer;
    else lines.push(cut(word, size, room, options));
  }
  return lines;
}

function cut(text, size, room, options) {
  if (widthOf(text, size, options) <= room) return text;
  let end = text.length;
  while (end > 1 && widthOf(`${text.slice(0, end)}…`, size, options) > room) end -= 1;
  return `${text.slice(0, end)}…`;
}

// `room`: no wider than that, in whatever font it will be shown.
function words(text, x, y, size, fill, { weight = 400, room } = {}) {
  const squeezed = room && widthOf(text, size, { weight }) > room ? { textLength: room, lengthAdjust: "spacingAndGlyphs" } : {};
  return node("text", { x, y, "font-size": size, "font-weight": weight, fill, ...squeezed }, text);
}

// Text from outside goes in as text; whoever writes the file out escapes it.
function node(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (name !== "xmlns") made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// --- a PNG --------------------------------------------------------------------------------------------------------

async function painted(text, { width, height }) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height].map((side) => Math.round(side.baseVal.value * SCALE));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("no picture"))), "image/png"));
}

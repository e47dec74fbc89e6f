// A notebook as a file: its pieces stand in the file as JSON, and are drawn by the modules that draw them on a page.

import { draw as cell } from "./cell.js";
import { element } from "./dom.js";
import { clock, zone } from "./format.js";
import { draw as headline } from "./headline.js";
import { drawPicture } from "./picture.js";
import { drawAgain } from "./plot.js";
import { draw as prose } from "./prose.js";
import { draw as threshold } from "./threshold.js";

const kinds = { cell, headline, prose, threshold };
const { title, line, address, made, pieces } = JSON.parse(document.getElementById("told").textContent);
if (/^https?:/.test(address)) document.documentElement.dataset.address = address;
document.title = title;
const madeAt = element("p", { id: "made" }), cells = element("main");
document.body.prepend(element("header", {}, element("h1", {}, title), line ? element("p", {}, line) : null, madeAt), cells);

const replaceState = history.replaceState.bind(history);
history.replaceState = (...given) => {
  try { replaceState(...given); } catch { /* a file that is looked at inside of a mail has no address */ }
};

const UNANSWERED = { label: "", source: "This file", what: "was made before there was an answer", hint: "", since: made, retry_at: null, measured_at: null };

// What only a server could answer is left out: files, links to a view that moves on, further pages, tries to come.
function kept(piece) {
  if (piece.kind !== "cell") return piece;
  const late = piece.pending ? [UNANSWERED] : [];
  const rows = piece.rows.map((row) => ({ ...row, csv: [], failures: [...late, ...row.failures.map((failure) => ({ ...failure, retry_at: null }))] }));
  return { ...piece, pending: false, rows, links: null, takes: false, pages: null, asked: piece.window ?? {}, picture: piece.picture && { ...piece.picture, own: "" } };
}

const drawn = pieces.map(kept).map((piece) => {
  const place = element("div", { class: "cn-root" }), asked = element("div", { class: "cn-asked" });
  const around = piece.collapsed
    ? element("details", { class: "cn-piece", ontoggle: draw }, element("summary", {}, piece.title || piece.name || "Text"), place)
    : element("div", { class: "cn-piece" }, place);
  cells.append(around);
  let done = false;
  function draw() {
    if (done) return;
    done = true;
    try {
      kinds[piece.kind]({ data: piece, parentElement: around, setTriggerValue: () => {} });
    } catch {
      place.append(element("p", { class: "cn-failure" }, `${piece.title || piece.name || "A part"} could not be drawn.`));
    }
    if (piece.asked) place.append(asked);
  }
  if (!piece.collapsed) draw();
  return { piece, asked, draw };
});
when();

// Each says when it was measured, in a zone that is named: a file is read elsewhere and later.
function when() {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC", tz = zone();
  const choose = element("select", { "aria-label": "Time zone", onchange: ({ target }) => {
    const url = new URL(location.href);
    url.searchParams.set("tz", target.value);
    history.replaceState(history.state, "", url);
    document.dispatchEvent(new Event("cn-zone"));
    when();
  } }, ...[...new Set([tz, own, "UTC"])].map((name) => element("option", { value: name, selected: name === tz }, name)));
  madeAt.replaceChildren(`Made ${clock(made, tz, true)}. Times in `, choose);
  for (const { piece, asked } of drawn) if (piece.asked) asked.replaceChildren(...provenance(piece, tz));
}

function provenance({ asked, rows }, tz) {
  const measured = rows.map((row) => row.measured_at).filter(Boolean);
  const stretch = asked.start === undefined ? "" : `${clock(asked.start, tz, true)} – ${clock(asked.end, tz, true)}`;
  const told = [stretch, measured.length ? `measured ${clock(Math.min(...measured), tz, true)}` : "", tz].filter(Boolean).join(" · ");
  return [element("p", {}, told), ...[...new Set(rows.flatMap((row) => row.code))].map((code) => element("pre", {}, code))];
}

// On paper: light, as wide as the paper, with all rows, before the browser looks.
const PAPER = "46rem";
addEventListener("beforeprint", () => lay(true));
addEventListener("afterprint", () => lay(false));

function lay(paper) {
  document.documentElement.toggleAttribute("data-paper", paper);
  cells.style.width = paper ? PAPER : "";
  for (const around of cells.querySelectorAll("details.cn-piece")) around.open = paper;
  if (paper) for (const { draw } of drawn) draw();
  for (const root of cells.querySelectorAll(".cn-cell")) {
    const body = root.querySelector(".cn-body");
    if (body?.state) Object.assign(body.state, { shown: paper ? Infinity : 50, apart: paper || body.state.apart });
    root.again?.();
    if (body) drawAgain(body);
    if (root.cell?.picture) drawPicture(body, root.cell); // again() would draw it a moment later
  }
}

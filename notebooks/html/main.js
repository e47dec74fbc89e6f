// A notebook as a file: its pieces stand in the file as JSON, and are drawn by the modules that draw them on a page.

import { draw as cell } from "./cell.js";
import { element } from "./dom.js";
import { clock, zone } from "./format.js";
import { draw as headline } from "./headline.js";
import { drawAgain } from "./plot.js";
import { draw as prose } from "./prose.js";
import { draw as threshold } from "./threshold.js";

const kinds = { cell, headline, prose, threshold };
const known = (id) => JSON.parse(document.getElementById(id).textContent);
const { made, pieces } = known("pieces");
const cells = document.getElementById("cells");

const replaceState = history.replaceState.bind(history);
history.replaceState = (...given) => {
  try { replaceState(...given); } catch { /* a file that is looked at inside of a mail has no address */ }
};

for (const piece of pieces) {
  const place = element("div", { class: "cn-root" });
  const around = element("div", { class: "cn-piece" }, place);
  cells.append(around);
  try {
    kinds[piece.kind]({ data: piece, parentElement: around, setTriggerValue: () => {} });
  } catch {
    place.append(element("p", { class: "cn-failure" }, `${piece.title || piece.name || "A part"} could not be drawn.`));
  }
  if (piece.asked) place.append(element("div", { class: "cn-asked" }));
}
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
  document.getElementById("made").replaceChildren(`Made ${clock(made, tz, true)}. Times in `, choose);
  pieces.forEach((piece, place) => {
    const line = cells.children[place].querySelector(".cn-asked");
    if (line) line.replaceChildren(...provenance(piece, tz));
  });
}

function provenance({ asked, rows }, tz) {
  const measured = rows.map((row) => row.measured_at).filter(Boolean);
  const stretch = asked.start === null ? "" : `${clock(asked.start, tz, true)} – ${clock(asked.end, tz, true)}`;
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
  for (const root of cells.querySelectorAll(".cn-cell")) {
    const body = root.querySelector(".cn-body");
    if (body?.state) Object.assign(body.state, { shown: paper ? Infinity : 50, apart: paper || body.state.apart });
    root.again?.();
    if (body) drawAgain(body);
  }
}

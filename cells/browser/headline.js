// The sentence that matters, its context, and the state of each source.

import { clock, duration, zone } from "./format.js";
import { element, redraw, unpressed } from "./dom.js";
import { pageLink } from "./links.js";

export function draw({ data, parentElement }) {
  const root = parentElement.querySelector(".cn-root");
  root.cell = data;
  root.dataset.piece = "headline";
  if (!root.children.length) root.append(element("div"), element("div"));
  const [states, words] = root.children;
  root.again ??= () => {
    unpressed(states, () => redraw(states, JSON.stringify([root.cell.sources, zone()]), () => [strip(root.cell.sources), silence(root.cell.sources)]));
    unpressed(words, () => redraw(words, JSON.stringify([root.cell.headline, zone()]), () => told(root.cell.headline)));
  };
  document.addEventListener("cn-zone", root.again);
  root.again();
  return () => document.removeEventListener("cn-zone", root.again);
}

const strip = (sources) => element("ul", { class: "cn-sources", "aria-label": "Sources" }, ...sources.map(source));

// Without the recorder all cells fail: why is said here, once.
function silence(sources) {
  const recorder = sources.find(({ source, what }) => source === "recorder" && what);
  return recorder ? element("p", { class: "cn-failure", role: "status" }, `${recorder.label}: ${recorder.what}. ${recorder.hint}. `,
    element("span", { class: "cn-muted" }, `Since ${clock(recorder.since, zone())}`)) : null;
}

function told(headline) {
  if (!headline) return element("div", { class: "cn-headline cn-pending" });
  return [
    element("header", { class: `cn-headline cn-tone-${headline.tone}` },
      element("h1", {}, ...headline.sentence.map(part)),
      headline.context.length ? element("p", {}, ...headline.context.map(part)) : null),
    ...headline.help.map((text) => text.startsWith("$ ") ? element("pre", {}, text.slice(2)) : element("p", { class: "cn-muted" }, text)),
  ];
}

function source(one) {
  const text = one.latency_ms !== null && one.state === "ok" ? `${one.label} ${one.latency_ms < 10 ? one.latency_ms.toFixed(1) : Math.round(one.latency_ms)} ms` : one.label;
  const failed = one.what ? `${one.what}. ${one.hint ? `${one.hint}. ` : ""}Since ${clock(one.since, zone())}` : one.version ?? one.state;
  return element("li", {}, pageLink("/setup", { class: `cn-source-state cn-is-${one.state}`, title: failed, "data-focus": `source-${one.source}` },
    element("i", { "aria-hidden": "true" }), text, one.state === "ok" ? "" : element("span", {}, ` ${one.state}`)));
}

// A part is a text, or one of: code (a name from outside), link to its evidence, moment, span of seconds.
export function part(one) {
  if (typeof one === "string") return one;
  const text = one.moment !== undefined ? clock(one.moment, zone(), Date.now() - one.moment >= 86400e3) : one.seconds !== undefined ? duration(one.seconds) : one.text;
  const shown = one.code ? element("code", {}, text) : text;
  if (!one.href) return element("span", {}, shown);
  return one.href.startsWith("/") ? pageLink(one.href, {}, shown) : element("a", { href: one.href, "data-focus": one.href }, shown);
}

// What came of an act: a line for each that was told, and what it is now. It stays until it is dismissed.

import { element } from "./dom.js";
import { clock, zone } from "./format.js";

const FIRST = 8; // lines that are shown at once; those that were not done come first

export function drawResult(result, ...buttons) {
  const [first, rest] = [result.lines.slice(0, FIRST), result.lines.slice(FIRST)];
  return element("article", { class: "cn-result" },
    element("h3", {}, result.does),
    element("div", { role: "status" },
      result.failure ? element("p", { class: "cn-failure" }, result.failure) : null,
      result.lines.length > 1 ? element("p", {}, counts(result.lines)) : null,
      element("ul", {}, ...first.map(reply))),
    rest.length ? element("details", {}, element("summary", {}, `${rest.length} more`), element("ul", {}, ...rest.map(reply))) : null,
    result.more ? element("p", { class: "cn-muted" }, `and ${result.more} more: the audit has them`) : null,
    result.read.length ? element("ul", {}, ...result.read.map(([about, now]) => element("li", {}, element("code", {}, about), became(now)))) : null,
    ...result.warnings.map((text) => element("p", { class: "cn-warning" }, text)),
    element("p", { class: "cn-muted" }, `${clock(result.at, zone())} by ${result.by}, entry ${result.audit} of the audit`),
    element("div", { class: "cn-choices" }, ...buttons));
}

const became = (now) => (now ? element("span", { class: "cn-muted" }, `now: ${now}`) : null);

function reply([about, outcome, word, text, now]) {
  return element("li", { class: `cn-reply-${outcome.replace(" ", "-")}` }, element("code", {}, about), element("span", { class: "cn-verdict" }, word),
    text ? element("span", {}, text) : null, became(now));
}

function counts(lines) {
  const words = lines.map(([, , word]) => word);
  return [...new Set(words)].map((word) => `${words.filter((one) => one === word).length} ${word}`).join(" · ");
}

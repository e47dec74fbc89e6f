// PromQL as tokens, for colours, and what stands around the cursor, for suggestions. Any text has tokens: what is not
// PromQL is "wrong" and no more.

import { AGGREGATIONS, FUNCTIONS, WORDS } from "./promql-words.js";

const RULES = [
  ["space", /\s+/y],
  ["comment", /#[^\n]*/y],
  ["string", /"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|`[^`]*`?/y],
  ["duration", /(?:\d+(?:ms|[smhdwy]))+(?![\w.])/y],
  ["number", /(?:0[xX][\da-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?!\w)|(?:inf|nan)\b/iy],
  ["variable", /\$\w+/y],
  ["name", /[A-Za-z_][\w:]*/y],
  ["operator", /=~|!~|!=|==|<=|>=|[-+*/%^<>=@]/y],
  ["bracket", /[(){}[\]]/y],
  ["comma", /[,:]/y],
];

// [{kind, text, start}]; their texts one after another are the text.
export function tokens(text) {
  const found = [];
  for (let start = 0; start < text.length;) {
    const [kind, length] = next(text, start);
    found.push({ kind, text: text.slice(start, start + length), start });
    start += length;
  }
  return named(found);
}

function next(text, start) {
  for (const [kind, rule] of RULES) {
    rule.lastIndex = start;
    const match = rule.exec(text);
    if (match) return [kind, match[0].length];
  }
  return ["wrong", text.codePointAt(start) > 0xffff ? 2 : 1];
}

// A name is a function, an aggregation, a word of the language, a label, or else a metric: by what it is and by where it stands.
function named(found) {
  const scopes = [];
  const solid = found.filter(({ kind }) => kind !== "space" && kind !== "comment");
  solid.forEach((token, at) => {
    const before = solid[at - 1], after = solid[at + 1];
    if (token.kind === "bracket") {
      if ("({[".includes(token.text)) scopes.push(scopeOf(token, before, solid, at));
      else scopes.pop();
    }
    const scope = scopes.at(-1) ?? "";
    if (token.kind === "duration" || token.kind !== "name") return;
    const word = token.text.toLowerCase();
    if (scope === "labels" || (scope === "matchers" && word !== "or")) token.kind = "label";
    else if (AGGREGATIONS.has(word) && (after?.text === "(" || ["by", "without"].includes(after?.text.toLowerCase()))) token.kind = "function";
    else if (FUNCTIONS.has(token.text) && after?.text === "(") token.kind = "function";
    else if (WORDS.has(word)) token.kind = "keyword";
    else token.kind = "metric";
  });
  return found;
}

// What stands in these brackets: matchers, labels, a stretch of time, or expressions.
function scopeOf(token, before, solid, at) {
  if (token.text === "{") return "matchers";
  if (token.text === "[") return "stretch";
  const word = before?.text.toLowerCase();
  const grouping = before && ["by", "without", "on", "ignoring", "group_left", "group_right"].includes(word);
  return grouping && solid[at - 2]?.text !== "." ? "labels" : "expression";
}

// What may be written at `cursor`: {kind, prefix, start, ...}. `kind` is
//   expression   a metric, a function, an aggregation; of a `stretch` of time where a function wants that
//   label        a label's name inside { }, of the series that `selector` finds, or null for any
//   value        a value of `label` inside quotes, of the series that `selector` finds; `quote` is how it is quoted
//   grouping     a label's name after by, without, on or ignoring, of any of `metrics`
//   function     which one's arguments these are, when nothing is being written
//   ""           nothing: a number, a comment, a stretch of time
export function around(text, cursor) {
  const all = tokens(text);
  const here = all.find((token) => token.start < cursor && cursor <= token.start + token.text.length);
  const open = [];
  const solid = all.filter((token) => token.start < cursor && token !== here && !["space", "comment"].includes(token.kind));
  for (const token of solid) {
    if (token.kind !== "bracket") continue;
    if ("({[".includes(token.text)) open.push(token);
    else open.pop();
  }
  if (here?.kind === "bracket") {
    if ("({[".includes(here.text)) open.push(here);
    else open.pop();
  }
  const writes = here && ["name", "metric", "label", "function", "keyword"].includes(here.kind);
  const prefix = writes ? text.slice(here.start, cursor) : "", start = writes ? here.start : cursor;
  const inside = open.at(-1), before = here && !writes && here.kind !== "space" ? [...solid, here] : solid;
  if (here?.kind === "comment" || here?.kind === "number" || here?.kind === "duration" || here?.kind === "wrong" || here?.kind === "variable") return nothing(cursor);
  if (inside?.text === "{") return inMatchers(text, all, inside, here, before, prefix, start, cursor);
  if (here?.kind === "string" || inside?.text === "[") return nothing(cursor);
  if (inside && scopeBefore(all, inside) === "labels") return { kind: "grouping", prefix, start, metrics: metricsOf(all) };
  return { kind: "expression", prefix, start, stretch: inside ? takesStretch(all, inside) : false };
}

// Whether what stands in these brackets is to be over a stretch of time, as rate() takes it.
function takesStretch(all, bracket) {
  const before = all.filter(({ kind, start }) => kind !== "space" && kind !== "comment" && start < bracket.start).at(-1);
  return Boolean(FUNCTIONS.get(before?.text)?.signature.includes("range"));
}

const nothing = (cursor) => ({ kind: "", prefix: "", start: cursor });

function scopeBefore(all, bracket) {
  const solid = all.filter(({ kind }) => kind !== "space" && kind !== "comment"), at = solid.indexOf(bracket);
  return bracket.text === "(" ? scopeOf(bracket, solid[at - 1], solid, at) : "";
}

const metricsOf = (all) => [...new Set(all.filter(({ kind }) => kind === "metric").map(({ text }) => text))];

function inMatchers(text, all, brace, here, before, prefix, start, cursor) {
  const last = before.at(-1);
  if (here?.kind === "string") {
    if (cursor === here.start + here.text.length && here.text.length > 1 && here.text.endsWith(here.text[0])) return nothing(cursor);
    const sign = before.findLast((token) => token !== here), label = before.filter((token) => token.kind === "label").at(-1);
    if (!label || sign?.kind !== "operator") return nothing(cursor);
    const written = text.slice(here.start + 1, cursor), piece = sign.text.endsWith("~") ? written.slice(written.lastIndexOf("|") + 1) : written;
    return { kind: "value", prefix: piece, start: cursor - piece.length, label: label.text, quote: here.text[0], regexp: sign.text.endsWith("~"),
      selector: selectorOf(all, brace, label) };
  }
  if (last && !["{", ","].includes(last.text)) return nothing(cursor);
  return { kind: "label", prefix, start, selector: selectorOf(all, brace, null) };
}

// The selector around `brace`, of its metric and the matchers that are complete, without that of `left` which is being written.
function selectorOf(all, brace, left) {
  const solid = all.filter(({ kind }) => kind !== "space" && kind !== "comment"), at = solid.indexOf(brace);
  const metric = solid[at - 1]?.kind === "metric" ? solid[at - 1].text : "";
  const matchers = [];
  for (let place = at + 1; place + 2 < solid.length + 1 && solid[place]?.text !== "}"; place += 1) {
    const [label, sign, value] = solid.slice(place, place + 3);
    const whole = value?.kind === "string" && value.text.length > 1 && value.text.at(-1) === value.text[0] && !value.text.includes("$");
    if (label?.kind === "label" && label !== left && /^(=|!=|=~|!~)$/.test(sign?.text) && whole) matchers.push(label.text + sign.text + value.text);
  }
  return metric || matchers.some((one) => /^\w+=/.test(one)) ? `${metric}{${matchers.join(",")}}` : null; // which says no more than what is not
}

// The token at `place`, for an error that was found there; the last one for an error at the end.
export function tokenAt(text, place) {
  const all = tokens(text).filter(({ kind }) => kind !== "space");
  return all.find((token) => place < token.start + token.text.length) ?? all.at(-1) ?? null;
}

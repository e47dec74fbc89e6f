// What may be written at the cursor, with what it means. What there is to ask is fetched from our own exports, where it
// is read under the same deadlines and limits as all else, and kept for as long as it is likely to hold.

import { AGGREGATIONS, FUNCTIONS } from "./promql-words.js";

const HOLDS = 60_000; // ms
const MOST = 60; // that are offered at once
const WAIT = 30_000; // ms

const kept = new Map();

// `params()` says of which cluster and range. Resolves to [{text, label, type, help, start, after}], empty when
// nothing is known; `after` follows the text, and the cursor goes behind its first sign, but before a stretch of time.
export async function suggestions(where, params) {
  const ask = (source, more) => rows({ source, ...more, ...params() });
  switch (where.kind) {
    case "expression": return best(where, [...metrics(await ask("metrics"), where.stretch ? "[5m]" : ""), ...words(AGGREGATIONS, "aggregation"), ...words(FUNCTIONS, "function")]);
    case "label": return best(where, labels(await ask("labels", selected(where.selector)), "="));
    case "grouping": return best(where, labels(await ask("labels", where.metrics.length ? selected(`{__name__=~"${where.metrics.join("|")}"}`) : {}), ""));
    case "value": return best(where, values(await ask("label_values", { q: where.label, ...selected(where.selector) }), where));
    default: return [];
  }
}

const selected = (match) => (match ? { match } : {});

const metrics = (found, after) => found.map(({ name, type, help }) => ({ text: name, type: type === "unknown" ? "metric" : type, help, after }));
const words = (known, type) => [...known].map(([name, { signature, help }]) => ({ text: name, label: signature, type, help, after: "(" }));
const labels = (found, after) => found.filter(({ label }) => /^[A-Za-z_]\w*$/.test(label) && label !== "__name__").map(({ label }) => ({ text: label, type: "label", after }));

// As it is written between these quotes, and in a regular expression where it is one.
function values(found, { quote, regexp }) {
  return found.map(({ value }) => {
    const plain = regexp ? value.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&") : value;
    const text = quote === "`" ? plain : plain.replaceAll("\\", "\\\\").replaceAll(quote, `\\${quote}`).replaceAll("\n", "\\n");
    return { text, label: value, type: "value", after: regexp ? "" : quote };
  }).filter(({ text }) => quote !== "`" || !text.includes("`"));
}

// What begins so first, then what has it in it, then what has its letters in this order.
function best({ prefix, start }, all) {
  const wanted = prefix.toLowerCase();
  const rank = ({ text }) => {
    const name = text.toLowerCase(), at = name.indexOf(wanted);
    if (at === 0) return 0;
    if (at > 0) return name[at - 1] === "_" ? 1 : 2;
    return inOrder(wanted, name) ? 3 : 4;
  };
  return all.map((one) => ({ ...one, start, rank: rank(one) })).filter((one) => one.rank < 4)
    .sort((a, b) => a.rank - b.rank || a.text.length * (wanted ? 1 : 0) - b.text.length * (wanted ? 1 : 0)).slice(0, MOST);
}

function inOrder(letters, name) {
  let at = 0;
  for (const letter of letters) {
    at = name.indexOf(letter, at) + 1;
    if (!at) return false;
  }
  return true;
}

async function rows(params) {
  const address = `/export.json?${new URLSearchParams(params)}`, known = kept.get(address);
  if (known && Date.now() - known.at < HOLDS) return known.rows;
  const asked = fetch(address, { signal: AbortSignal.timeout(WAIT) }).then((answer) => (answer.ok ? answer.json() : { rows: [] })).then((told) => told.rows, () => []);
  kept.set(address, { at: Date.now(), rows: asked });
  const found = await asked;
  if (!found.length) kept.delete(address); // it may be there the next time
  return found;
}

// The expression laid out by the server; what is wrong with it otherwise.
export async function formatted(text, params) {
  const answer = await fetch(`/export.json?${new URLSearchParams({ source: "format", q: text, ...params })}`, { signal: AbortSignal.timeout(WAIT) });
  const told = await answer.json();
  if (answer.ok) return told.rows[0].text;
  throw new Error(told.error?.message ?? told.error?.what ?? "It could not be laid out.");
}

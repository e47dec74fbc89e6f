// A text field for PromQL. What is typed is a textarea, so that undo, phones, spelling aids and screen readers have what
// they know; its colours are drawn on a layer behind it, of the same text in the same place. Suggestions are a listbox
// that the field controls (ARIA: combobox).

import { element } from "./dom.js";
import { around, tokenAt, tokens } from "./promql-tokens.js";
import { suggestions } from "./promql-suggest.js";

const PAUSE = 120; // ms after the last letter
let editors = 0;

const style = new URL("./promql.css", import.meta.url).href;

// Into `parent`: {value, label, placeholder, params(), onApply(text), onInput(text)}. Returns {node, text, set, mark, focus}:
// `set(text)` replaces what stands there as if it was typed, to be undone, or with `false` quietly; `mark({place, message})` underlines what is wrong.
export function draw(parent, { value = "", label = "PromQL", placeholder = "", params = () => ({}), onApply = () => {}, onInput = () => {} }) {
  styled();
  const id = `cn-promql-${++editors}`;
  const editor = { params, onApply, onInput, failure: null, options: [], at: -1, turn: 0 };
  editor.colours = element("div", { class: "cn-promql-colours", "aria-hidden": "true" });
  editor.field = element("textarea", { class: "cn-promql-field", rows: 1, spellcheck: "false", autocapitalize: "off", autocomplete: "off", autocorrect: "off",
    role: "combobox", "aria-label": label, "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-describedby": `${id}-said`,
    placeholder, maxlength: 4096 });
  editor.list = element("ul", { class: "cn-promql-list", role: "listbox", id: `${id}-list`, "aria-label": "Suggestions", hidden: true });
  editor.said = element("div", { class: "cn-promql-said", id: `${id}-said`, role: "status" });
  editor.id = id;
  editor.field.value = value;
  const field = editor.field;
  field.addEventListener("input", () => { editor.failure = null; show(editor); onInput(field.value); suggestSoon(editor); });
  field.addEventListener("keydown", (event) => keys(editor, event));
  field.addEventListener("click", () => close(editor));
  field.addEventListener("blur", () => setTimeout(() => close(editor), 150)); // a click into the list comes first
  editor.node = element("div", { class: "cn-promql" }, element("div", { class: "cn-promql-text" }, editor.colours, field), editor.list, editor.said);
  parent.append(editor.node);
  show(editor);
  return {
    node: editor.node,
    text: () => field.value,
    set: (text, typed = true) => { if (text !== field.value) replace(editor, text, typed); },
    mark: (failure) => { if (JSON.stringify(failure) !== JSON.stringify(editor.failure)) { editor.failure = failure; show(editor); } },
    focus: () => field.focus(),
  };
}

function styled() {
  if (!document.querySelector(`link[href="${style}"]`)) document.head.append(element("link", { rel: "stylesheet", href: style }));
}

// --- what is seen -----------------------------------------------------------------------------------------------

function show(editor) {
  const text = editor.field.value, wrong = editor.failure && editor.failure.place !== null ? tokenAt(text, editor.failure.place) : null;
  const pieces = tokens(text).map((token) => element("span", { class: `cn-promql-${token.kind}${wrong && token.start === wrong.start ? " cn-promql-here" : ""}` }, token.text));
  editor.colours.replaceChildren(...pieces, "\n"); // a last empty line has its height too
  editor.field.setAttribute("aria-invalid", String(Boolean(editor.failure)));
  editor.said.textContent = editor.failure ? editor.failure.message : "";
}

// --- writing ----------------------------------------------------------------------------------------------------

// As if it was typed, so that it can be undone; where a browser does not offer that, at once.
function write(editor, from, to, text) {
  const { field } = editor;
  field.focus();
  field.setSelectionRange(from, to);
  if (!document.execCommand(text ? "insertText" : "delete", false, text)) {
    field.setRangeText(text, from, to, "end");
    field.dispatchEvent(new Event("input"));
  }
}

function replace(editor, text, typed) {
  if (typed) return write(editor, 0, editor.field.value.length, text);
  editor.field.value = text;
  editor.failure = null;
  show(editor);
}

function keys(editor, event) {
  const opened = !editor.list.hidden, step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { close(editor); editor.onApply(editor.field.value); }
  else if (event.key === " " && event.ctrlKey) suggest(editor);
  else if (opened && step) choose(editor, (editor.at + step + editor.options.length) % editor.options.length);
  else if (opened && (event.key === "Tab" || event.key === "Enter") && !event.shiftKey && editor.at >= 0) take(editor, editor.at);
  else if (opened && event.key === "Escape") close(editor);
  else if (event.key in PAIRS) return pair(editor, event);
  else if (Object.values(PAIRS).includes(event.key)) return over(editor, event);
  else return;
  event.preventDefault();
}

const PAIRS = { "(": ")", "{": "}", "[": "]" };

// A bracket brings its partner, where nothing follows that it could belong to; who types that one too goes past it.
function pair(editor, event) {
  const { field } = editor, { selectionStart: from, selectionEnd: to, value } = field;
  if (from !== to || !/^[\s)}[\],]*$/.test(value.slice(to, to + 1))) return;
  event.preventDefault();
  write(editor, from, to, event.key + PAIRS[event.key]);
  field.setSelectionRange(from + 1, from + 1);
  suggestSoon(editor);
}

function over(editor, event) {
  const { field } = editor, { selectionStart: from, selectionEnd: to, value } = field;
  if (from !== to || value[to] !== event.key) return;
  event.preventDefault();
  field.setSelectionRange(to + 1, to + 1);
  close(editor);
}

// --- suggestions ------------------------------------------------------------------------------------------------

function suggestSoon(editor) {
  clearTimeout(editor.timer);
  editor.timer = setTimeout(() => suggest(editor, true), PAUSE);
}

async function suggest(editor, typing = false) {
  const turn = ++editor.turn, { field } = editor;
  const where = around(field.value, field.selectionStart);
  // Unasked, a list of everything would be in the way; inside braces and quotes it is what is looked for.
  if (!where.kind || (typing && where.kind === "expression" && !where.prefix)) return close(editor);
  const options = await suggestions(where, editor.params);
  if (turn !== editor.turn || document.activeElement !== field) return;
  const done = options.length === 1 && options[0].text === where.prefix;
  if (!options.length || done) return close(editor);
  editor.options = options;
  editor.list.replaceChildren(...options.map((option, at) => element("li", { role: "option", id: `${editor.id}-${at}`,
    onpointerdown: (event) => { event.preventDefault(); take(editor, at); } },
  element("code", {}, option.label ?? option.text), element("span", { class: "cn-promql-type" }, option.type), option.help ? element("span", { class: "cn-promql-help" }, option.help) : null)));
  editor.list.hidden = false;
  field.setAttribute("aria-expanded", "true");
  choose(editor, 0);
}

function choose(editor, at) {
  editor.at = at;
  [...editor.list.children].forEach((node, place) => node.setAttribute("aria-selected", String(place === at)));
  editor.field.setAttribute("aria-activedescendant", `${editor.id}-${at}`);
  editor.list.children[at]?.scrollIntoView({ block: "nearest" });
}

function take(editor, at) {
  const { text, start, after = "" } = editor.options[at], { field } = editor;
  const end = field.selectionStart, rest = field.value.slice(end), tail = after && rest.startsWith(after[0]) ? "" : after;
  close(editor);
  write(editor, start, end, text + tail + (tail === "(" ? ")" : ""));
  const cursor = start + text.length + (after && after[0] !== "[" ? 1 : 0);
  field.setSelectionRange(cursor, cursor);
}

function close(editor) {
  clearTimeout(editor.timer);
  editor.turn += 1;
  editor.at = -1;
  editor.list.hidden = true;
  editor.list.replaceChildren();
  editor.field.setAttribute("aria-expanded", "false");
  editor.field.removeAttribute("aria-activedescendant");
}

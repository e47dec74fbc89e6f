// The only way text from outside enters the page: as text, never as markup.

const TOLD_MS = 1500;
const PRESS_MS = 100;

export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") node.style.cssText = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// What few want, drawn into `place` by a module that is fetched then. It may have gone: an update has other addresses.
export function later(module, draw, place = element("div")) {
  import(module).then((fetched) => draw(fetched, place), () => place.replaceChildren(element("p", { class: "cn-failure", role: "alert" }, "This part did not load. Reload the page.")));
  return place;
}

// What opens under a word, built anew each time. Of those beside each other one is open; Escape goes back to the word.
// `enter`: the focus goes in.
export function panel(label, build, { summary, enter, ...attributes } = {}) {
  const body = element("div", { class: "cn-panel" }), head = element("summary", { "data-focus": label, ...summary }, label);
  const node = element("details", { ...attributes, ontoggle: () => {
    if (!node.open) return;
    for (const other of node.parentElement.querySelectorAll(":scope > details[open]")) if (other !== node) other.open = false;
    body.replaceChildren(...[build()].flat().filter(Boolean));
    if (enter) body.querySelector("input, select, button")?.focus();
  }, onkeydown: (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !node.open) return;
    event.preventDefault();
    node.open = false;
    head.focus();
  } }, head, body);
  return node;
}

// No part of it, and nothing to say of that.
export const holdsNothing = (shown) => Object.values(shown).every((part) => !Array.isArray(part) || !part.length);

// Draws again only when what it shows has changed, so that an open panel and a selection survive.
export function redraw(place, key, build) {
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  replace(place, build);
}

// Draws what nobody presses right now: a press is a click only if it ends on the node it began on. No event tells of each
// way in which one ends (a key, a scroll, another window), so it is looked at; drawn is then what was wanted last.
export function unpressed(place, draw) {
  place.wanted = draw;
  if (place.pressed) return;
  if (!place.matches(":active, :has(:active)")) { // a key presses its button alone, a pointer all around it too
    draw();
    return;
  }
  place.pressed = setTimeout(() => {
    place.pressed = null;
    if (place.isConnected) unpressed(place, place.wanted);
  }, PRESS_MS);
}

// Whoever is at a control that is drawn again (known by its `data-focus`, and which of those it is) stays at it.
export function replace(place, build) {
  const at = place.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  const alike = () => (at ? [...place.querySelectorAll(`[data-focus="${CSS.escape(at)}"]`)] : []);
  const which = alike().indexOf(document.activeElement);
  const children = [build()].flat().filter(Boolean); // which may take a node that is kept out of its place
  if (children[0] !== place.firstChild) place.replaceChildren(...children);
  else { // what stands first and stays is not touched: somebody may be typing in it
    while (place.childNodes.length > 1) place.lastChild.remove();
    place.append(...children.slice(1));
  }
  const again = alike();
  (again[which] ?? again[0])?.focus({ preventScroll: true });
}

// What came of a press, in the button's own words for a moment.
export function tell(button, text) {
  const label = button.dataset.label ??= button.textContent;
  button.textContent = text;
  clearTimeout(button.telling);
  button.telling = setTimeout(() => { button.textContent = label; }, TOLD_MS);
}

export async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without https the clipboard is closed to scripts: select the text for the hand.
    done = false;
    window.prompt("Copy:", text);
  }
  if (done) tell(button, "Copied");
}

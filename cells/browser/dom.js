// The only way text from outside enters the page: as text, never as markup.

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

// What few want, drawn by a module that is fetched then.
export function later(module, build) {
  const place = element("div");
  import(module).then((made) => place.replaceChildren(...build(made)));
  return place;
}

// Draws again only when what it shows has changed, so that an open panel and a selection survive.
export function redraw(place, key, build) {
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  replace(place, [build()].flat().filter(Boolean));
}

// Whoever is at a control that is drawn again (known by its `data-focus`, and which of those it is) stays at it.
export function replace(place, children) {
  const at = place.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  const alike = () => (at ? [...place.querySelectorAll(`[data-focus="${CSS.escape(at)}"]`)] : []);
  const which = alike().indexOf(document.activeElement);
  place.replaceChildren(...children);
  const again = alike();
  (again[which] ?? again[0])?.focus({ preventScroll: true });
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
  if (!done) return;
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1200);
}

// Links between pages. They take along what all pages share, and change the page without loading it anew.

import { element } from "./dom.js";

const SHARED = ["range", "from", "to", "refresh", "cluster", "tz"];

// `to` is a path with the parameters of its page alone.
export function pageLink(to, attributes, ...children) {
  return element("a", { ...attributes, href: complete(to), "data-page": to }, ...children);
}

// With what is shared as it is now: a link may stay drawn while the range changes.
function complete(to) {
  const url = new URL(to, location.origin), here = new URLSearchParams(location.search);
  for (const name of SHARED) if (here.has(name) && !url.searchParams.has(name)) url.searchParams.set(name, here.get(name));
  return url.pathname + url.search + url.hash;
}

let go = () => {};

// `send` is told the path and parameters of a page link that is followed here, not in another tab.
export function followLinks(send) {
  go = send;
  if (followLinks.ready) return;
  followLinks.ready = true;
  const fresh = (event) => {
    const link = event.target.closest?.("a[data-page]");
    if (link) link.href = complete(link.dataset.page);
    return link;
  };
  for (const kind of ["pointerdown", "focusin"]) document.addEventListener(kind, fresh, true);
  document.addEventListener("click", (event) => {
    const link = fresh(event);
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    follow(link.dataset.page);
  });
}

// As a click on a page link.
export function follow(to) {
  const url = new URL(complete(to), location.origin);
  go({ path: url.pathname.slice(1), params: [...url.searchParams] });
}

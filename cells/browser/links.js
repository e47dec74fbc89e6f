// Links between pages. They take along what all pages share, and change the page without loading it anew.

import { element } from "./dom.js";

const TIME = ["range", "from", "to"];
const SHARED = [...TIME, "refresh", "cluster", "snapshot", "tz"];

// `to` is a path with the parameters of its page alone.
export function pageLink(to, attributes, ...children) {
  return element("a", { "data-focus": to, ...attributes, href: complete(to), "data-page": to }, ...children);
}

// This page with other values of its own parameters, as they are when it is followed: a list, one, or null for none.
export function changeLink(change, attributes, ...children) {
  return element("a", { ...attributes, href: complete(changed(change)), "data-change": JSON.stringify(change) }, ...children);
}

// With what is shared as it is now: a link may stay drawn while the range changes.
function complete(to) {
  const url = new URL(to, location.origin), here = new URLSearchParams(location.search);
  const timed = TIME.some((name) => url.searchParams.has(name)); // a link that names a time goes there
  const along = SHARED.filter((name) => here.has(name) && !url.searchParams.has(name) && !(timed && TIME.includes(name)));
  for (const name of along) url.searchParams.set(name, here.get(name));
  return url.pathname + url.search + url.hash;
}

export function changed(change) {
  const url = new URL(location.href);
  for (const name of [...SHARED, ...Object.keys(change)]) url.searchParams.delete(name);
  for (const [name, values] of Object.entries(change)) {
    for (const value of [values].flat()) if (value !== null) url.searchParams.append(name, value);
  }
  return url.pathname + url.search;
}

// This page as a link to copy: `params` instead of the times in its address. Where a page has an address that is not to
// be shared (a draft), it says in `data-link` what stands for it.
export function address(params, hash = "") {
  const url = new URL(location.href), own = document.querySelector("[data-link]")?.dataset.link;
  for (const name of [...TIME, "snapshot"]) url.searchParams.delete(name);
  for (const [name, value] of Object.entries({ ...(own ? JSON.parse(own) : {}), ...params })) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  url.hash = hash;
  return url;
}

// Why no link can hold this page as it is; "" where one can.
export const tooLarge = () => document.querySelector("[data-too-large]")?.dataset.tooLarge ?? "";

// What a viewer chose of one cell: its order, its filter, what it hides. No answer depends on it, so it lives in the
// address alone, and the server is not asked.
export const chosen = (name) => new URLSearchParams(location.search).getAll(name);

export function choose(name, values) {
  const url = new URL(location.href);
  url.searchParams.delete(name);
  for (const value of values) url.searchParams.append(name, value);
  history.replaceState(history.state, "", url);
}

let go = () => {};

// `send` is told the path and parameters of a page link that is followed here, not in another tab.
export function followLinks(send) {
  go = send;
  if (followLinks.ready) return;
  followLinks.ready = true;
  keepHistory();
  const fresh = (event) => {
    const link = event.target.closest?.("a[data-page], a[data-change]");
    if (link) link.href = complete(leadsTo(link));
    return link;
  };
  for (const kind of ["pointerdown", "focusin"]) document.addEventListener(kind, fresh, true);
  document.addEventListener("click", (event) => {
    const link = fresh(event);
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    follow(leadsTo(link));
  });
}

const leadsTo = ({ dataset }) => dataset.page ?? changed(JSON.parse(dataset.change));

// As a click on a page link. `takes`: the cell of this page that is taken there, * for all.
export function follow(to, takes = "") {
  const url = new URL(complete(to), location.origin);
  leaving = url.pathname === location.pathname ? null : { to: url, from: null };
  go({ path: url.pathname.slice(1), params: [...url.searchParams], takes });
}

let leaving = null; // where to, and what was left once Streamlit has begun to write

// Streamlit writes the next page's parameters before its path, and each as an entry of the history: the way back would
// lead to this page with the other's parameters. So the first takes the place of this page, and the second gives it back.
function keepHistory() {
  const push = history.pushState.bind(history);
  history.pushState = (state, unused, address) => {
    const next = new URL(address ?? "", location.href);
    if (leaving && next.pathname === location.pathname && params(next) === params(leaving.to)) {
      leaving.from ??= location.href;
      history.replaceState(state, unused, address);
      return;
    }
    if (leaving?.from && next.pathname === leaving.to.pathname) history.replaceState(history.state, unused, leaving.from);
    leaving = null;
    push(state, unused, address);
  };
}

const params = (url) => String(new URLSearchParams(url.search));

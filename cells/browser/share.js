// Sharing a page: links that follow the present or keep a stretch of time, and snapshots that keep the answers.

import { copy, element, redraw } from "./dom.js";
import { savePage } from "./export-page.js";
import { clock, zone } from "./format.js";
import { address, pageLink, tooLarge } from "./links.js";

const LIVES = { "7d": "7 days", "30d": "30 days", "1y": "a year" };

// Of what controls.js draws: `root.cell`, and when it was said in `root.drawnAt`, by performance.now().
export function drawShare(root, place) {
  const { share: { now, ...share } } = root.cell;
  redraw(place, JSON.stringify([share, tooLarge(), zone()]), () => shareChoices(root).flat());
}

function shareChoices(root) {
  const { share } = root.cell;
  if (share.snapshot && !share.snapshot.problem) return [...ofSnapshot(share), asFile(root.cell)];
  return [
    ...(tooLarge() ? [element("p", {}, tooLarge())] : [
      share.span ? line("Copy live link", "follows the present", () => address(root.cell.share.here)) : null,
      line("Copy frozen link", "keeps this stretch of time", () => address(frozen(root))),
    ]),
    asFile(root.cell),
    element("hr"),
    element("p", {}, element("strong", {}, "Snapshot"), " ", element("span", { class: "cn-muted" },
      "keeps the answers themselves. Its link opens when the sources have long forgotten them.")),
    making(root),
    element("p", {}, pageLink("/snapshots", {}, "All snapshots")),
  ];
}

// What is on the screen now, in a file that opens anywhere.
function asFile(page) {
  const said = element("span", { class: "cn-muted", role: "status" }, "one file, plots live, no network; prints well");
  const button = element("button", { type: "button", "data-focus": "share-html", onclick: async () => {
    button.disabled = true;
    try {
      await savePage(title(page));
    } catch {
      said.textContent = "could not be made; try again";
    }
    button.disabled = false;
  } }, "Download as HTML");
  return element("p", {}, button, said);
}

function line(label, says, href) {
  return element("p", {},
    element("button", { type: "button", onclick: (event) => copy(String(href()), event.target) }, label),
    element("span", { class: "cn-muted" }, says));
}

// A live page as it is at this moment, by the server's clock; a frozen one as it stands.
function frozen({ cell: { share: { here, now, span } }, drawnAt }) {
  if (!span) return { ...here, refresh: "0" };
  const { range, ...rest } = here, to = Math.floor((now + performance.now() - drawnAt) / 1000) * 1000;
  return { ...rest, from: new Date(to - span).toISOString(), to: new Date(to).toISOString(), refresh: "0" };
}

function making(root) {
  const { making: last, lives } = root.cell.share, under = last?.stage === "making";
  const made = last && new URL(last.of, location.origin).pathname === location.pathname ? last : null; // of this page
  root.life ??= lives[0];
  const life = element("select", { "aria-label": "Kept for", "data-focus": "share-life", disabled: under, onchange: ({ target }) => { root.life = target.value; } },
    ...lives.map((name) => element("option", { value: name, selected: name === root.life }, LIVES[name] ?? name)));
  const wanted = () => {
    const { pathname, search } = address(root.cell.share.here);
    root.makeSnapshot({ life: root.life, link: pathname + search, title: title(root.cell) });
  };
  return element("div", {},
    element("p", {}, element("label", {}, "Kept for ", life), " ",
      element("button", { type: "button", "data-focus": "share-make", disabled: under, onclick: wanted }, "Make a snapshot")),
    element("div", { class: "cn-made", role: "status" }, made ? told(made) : null));
}

function told(made) {
  if (made.stage === "making") return element("p", {}, `${made.done} of ${made.total} answered …`, " ", element("progress", { max: made.total, value: made.done }));
  if (made.stage === "failed") return element("p", { class: "cn-failure" }, made.problem);
  return [
    element("p", {}, "Made", made.missing.length ? ", but not all could be had" : "", `. Kept until ${day(made.expires_at)}.`),
    ...made.missing.slice(0, 5).map((text) => element("p", { class: "cn-failure" }, text)),
    ...ways(made.link, made.id, made.bytes),
  ];
}

function ofSnapshot({ snapshot }) {
  const id = new URLSearchParams(location.search).get("snapshot");
  if (snapshot.bundle) return [element("p", {}, "This is a bundle: share the file itself.")];
  return ways(null, id);
}

function ways(link, id, bytes) {
  const href = () => new URL(link ?? location.href, location.origin);
  return [element("p", {},
    element("button", { type: "button", "data-focus": "share-copy", onclick: (event) => copy(String(href()), event.target) }, "Copy link"),
    link ? element("a", { href: link, target: "_blank", rel: "noopener" }, "Open it") : null),
  element("p", {}, element("a", { href: `/bundle.zip?snapshot=${encodeURIComponent(id)}`, download: "" }, "Download it as a bundle"),
    element("span", { class: "cn-muted" }, ` ${bytes ? `${Math.max(1, Math.round(bytes / 1000)).toLocaleString("en-US")} kB; ` : ""}opens where nothing can be reached`))];
}

// What the page is about: its own name, and of one thing that thing's. A page of one's own says in `data-title` what it is.
function title({ menu, here }) {
  const own = document.querySelector("[data-title]")?.dataset.title, params = new URLSearchParams(location.search);
  const page = menu.find(([path]) => path === here)?.[1], of = params.get("name") ?? params.get("id");
  return own || [page, of].filter(Boolean).join(" · ");
}

const day = (ms) => clock(ms, zone(), true).slice(0, 10);

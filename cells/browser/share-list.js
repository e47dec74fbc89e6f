// The snapshots that are kept: each opens, can be taken away as a file, and can be deleted and had back.

import { copy, element, redraw } from "./dom.js";
import { amount, clock, zone } from "./format.js";

export function draw({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".cn-root");
  root.send = (change) => setTriggerValue("change", change);
  root.cell = data;
  root.again ??= () => redraw(root, JSON.stringify([root.cell, zone()]), () => build(root.cell, (change) => root.send(change)));
  document.addEventListener("cn-zone", root.again);
  root.again();
  return () => document.removeEventListener("cn-zone", root.again);
}

function build({ kept, deleted, problem }, send) {
  return [
    element("div", { class: "cn-headline" }, element("h1", {}, "Snapshots"),
      element("p", {}, "Pages with their answers, as they were. Whoever may read here may open them.")),
    problem ? element("p", { class: "cn-failure", role: "status" }, problem) : null,
    kept.length ? element("ul", { class: "cn-kept-list" }, ...kept.map((one) => line(one, [
      element("button", { type: "button", onclick: (event) => copy(new URL(one.link, location.origin).href, event.target) }, "Copy link"),
      element("a", { class: "cn-button", href: `/bundle.zip?snapshot=${encodeURIComponent(one.id)}`, download: "" }, "Bundle"),
      element("button", { type: "button", "data-focus": `delete-${one.id}`, onclick: () => send({ delete: one.id }) }, "Delete")])))
      : element("p", {}, "There are none. On any page “Share”, above on the right, makes one."),
    deleted.length ? element("h2", {}, "Deleted") : null,
    deleted.length ? element("p", { class: "cn-muted" }, "They can be had back for 30 days, or until they expire.") : null,
    deleted.length ? element("ul", { class: "cn-kept-list" }, ...deleted.map((one) => line(one, [
      element("button", { type: "button", "data-focus": `restore-${one.id}`, onclick: () => send({ restore: one.id }) }, "Restore")]))) : null,
  ];
}

function line(one, buttons) {
  const tz = zone(), by = (name) => (name ? ` by ${name}` : "");
  const facts = [`made ${clock(one.made_at, tz, true).slice(0, 16)}${by(one.made_by)}`,
    `kept until ${clock(one.expires_at, tz, true).slice(0, 10)}`,
    `${one.answers.toLocaleString("en-US")} answers`, amount(one.bytes, "bytes"),
    one.deleted_by !== null ? `deleted${by(one.deleted_by)}` : null];
  const title = one.title || "A page";
  return element("li", {},
    element("strong", {}, one.deleted_by === null ? element("a", { href: one.link, target: "_blank", rel: "noopener" }, title) : title),
    element("p", { class: "cn-muted" }, facts.filter(Boolean).join(" · ")), element("div", {}, ...buttons));
}

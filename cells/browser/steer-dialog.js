// The dialog of an order, step by step: its form, what it would do with the confirmation, the wait, and what came of it.
// The browser's own <dialog>: nothing behind it can be touched, Escape leaves it, and the page goes on refreshing there.
// A step is drawn once, so no refresh takes anything from under the hands. The harmless button has the focus, and a
// button that destroys takes no Enter.

import { element } from "./dom.js";
import { duration } from "./format.js";
import { pageLink } from "./links.js";
import { drawForm } from "./steer-form.js";
import { drawResult } from "./steer-result.js";
import { say } from "./steer-say.js";

const ARMED_MS = 700; // a plan may come up under the second half of a double click
const WAITED_MS = 100;

// For an offer, whose form is filled in already where `fields` are given, or to take a result back.
export function openDialog(root, { offer = null, about = [], fields = null, undo = null }) {
  const node = element("dialog", { class: "cn-dialog", "aria-label": offer?.title ?? "Undo", onclose: () => leave(root, node) });
  root.dialog = { node, offer, about: [...offer?.about ?? [], ...about], workers: about.flatMap(([, names]) => names), undo, turn: 0, step: "" };
  root.append(node);
  node.showModal();
  if (undo) asked(root, { do: "undo", result: undo.number });
  else if (fields || !(offer.fields.length || offer.refused)) askPlan(root, fields ?? {});
  else {
    say(root, { do: "look" }); // what there is to choose from by now
    drawDialog(root);
  }
}

function askPlan(root, fields) {
  const { offer, workers } = root.dialog;
  asked(root, { do: "plan", offer: offer.name, workers, fields });
}

function asked(root, what) {
  const turn = Date.now();
  root.dialog.turn = turn;
  say(root, { ...what, turn });
  drawDialog(root);
}

function leave(root, node) {
  node.remove();
  if (root.dialog?.node !== node) return;
  const { offer } = root.dialog;
  root.dialog = null;
  root.querySelector(`[data-focus="${CSS.escape(offer?.name ?? "")}"]`)?.focus(); // drawn anew meanwhile, perhaps
  say(root, { do: "leave" });
}

export function drawDialog(root) {
  const at = root.dialog;
  if (!at) return;
  const now = nowOf(root), key = JSON.stringify([now.stage, now.turn, now.plan?.nonce, now.problem, now.result]);
  if (now.stage === "form") drawFormStep(root, now);
  else if (at.step !== key) {
    const steps = { planning, planned, acting, done, stale, refused, unknown: refused };
    at.node.replaceChildren(...[steps[now.stage](root, now)].flat().filter(Boolean));
    at.node.querySelector("[autofocus]")?.focus();
  }
  at.step = now.stage === "form" ? "form" : key;
}

// What the server says of this dialog; until it has heard what was asked last, that is waited for.
function nowOf(root) {
  const { cell: { now }, dialog: at } = root, fills = at.offer?.fields.length && !root.cell.in_page;
  if (at.offer?.refused) return { stage: "refused", problem: at.offer.refused };
  if (!at.turn) return { stage: "form" };
  if (now.turn !== at.turn) return { stage: "planning", turn: at.turn };
  if (now.stage === "refused" && fills) return { ...now, stage: "form", refused: true };
  if (now.stage === "planned" && at.sent === now.plan.nonce && !now.problem) return { ...now, stage: "acting" };
  return now.stage === "resting" ? { ...now, stage: "stale", problem: "" } : now;
}

function drawFormStep(root, now) {
  const { node, offer, about, step } = root.dialog;
  if (step !== "form") node.replaceChildren(...head(root, offer.title, about), root.dialog.form ??= element("div", { class: "cn-steer-form" }));
  const fresh = root.cell.offers.find(({ name }) => name === offer.name) ?? offer;
  drawForm(root.dialog.form, fresh, now.refused ? { ...now, stage: "refused" } : now, (fields) => askPlan(root, fields), () => node.close());
  if (step !== "form") root.dialog.form.querySelector("input, select, textarea")?.focus();
}

// What it is about, so large that nobody takes it for another.
function head(root, title, about) {
  const told = root.cell.cluster ? [["cluster", [root.cell.cluster]], ...about] : about;
  return [element("h2", {}, title), ...told.map(([kind, names]) => element("div", { class: "cn-about" },
    element("span", { class: "cn-muted" }, names.length === 1 ? kind : `${names.length.toLocaleString("en-US")} ${kind}s`), ...names.map((name) => element("strong", {}, name))))];
}

const titleOf = ({ offer, undo }) => offer?.title ?? `Undo: ${undo.does}`;
const leaving = (root, label = "Leave") => element("button", { type: "button", autofocus: true, onclick: () => root.dialog.node.close() }, label);

function planning(root) {
  return [...head(root, titleOf(root.dialog), root.dialog.about),
    ...waiting("Looking at what it would do…"), element("div", { class: "cn-choices" }, leaving(root))];
}

function acting(root, now) {
  return [...head(root, now.plan.does, now.plan.about), ...waiting("Sent. The replies are waited for…"),
    element("div", { class: "cn-choices" }, leaving(root, "Leave it running"))];
}

// Counts on for as long as it is there.
function waiting(text) {
  const since = Date.now(), passed = element("span", { class: "cn-muted", "aria-hidden": "true" });
  const line = element("p", { class: "cn-waiting", role: "status" }, text, " ", passed);
  const timer = setInterval(() => (line.isConnected ? passed.textContent = duration((Date.now() - since) / 1000) : clearInterval(timer)), WAITED_MS);
  return [element("progress", { class: "cn-progress", "aria-hidden": "true" }), line];
}

function planned(root, { plan, problem }) {
  const harm = Boolean(plan.phrase || root.dialog.offer?.destroys);
  const typed = plan.phrase ? element("input", { type: "text", class: "cn-typed", "aria-label": `Type ${plan.phrase}`, spellcheck: "false", autocomplete: "off", autocapitalize: "off" }) : null;
  const act = element("button", { type: "button", class: harm ? "cn-harm cn-go" : "cn-go", disabled: true, onclick: () => {
    root.dialog.sent = plan.nonce;
    say(root, { do: "act", nonce: plan.nonce, typed: typed?.value ?? "" });
    drawDialog(root);
  }, onkeydown: (event) => { if (harm && event.key === "Enter") event.preventDefault(); } }, plan.does);
  let armed = false, over = false;
  const check = () => { act.disabled = !armed || over || (typed && typed.value !== plan.phrase); };
  typed?.addEventListener("input", check);
  const stale = element("p", { class: "cn-warning", role: "alert", hidden: true }, "This was looked at more than two minutes ago. ", anew(root));
  setTimeout(() => { armed = true; check(); }, ARMED_MS);
  setTimeout(() => { over = true; stale.hidden = false; check(); }, plan.lives_seconds * 1000);
  const back = root.dialog.offer?.fields.length && !root.cell.in_page ? element("button", { type: "button", onclick: () => { root.dialog.turn = 0; drawDialog(root); } }, "Change it") : null;
  const more = root.dialog.about.filter(([kind]) => !plan.about.some(([other]) => other === kind));
  return [
    ...head(root, titleOf(root.dialog), [...more, ...plan.about]),
    element("p", {}, plan.summary),
    lines(plan),
    ...plan.warnings.map((text) => element("p", { class: "cn-warning" }, text)),
    element("p", { class: "cn-muted" }, plan.back),
    typed ? element("label", { class: "cn-confirm" }, element("span", {}, "To confirm, type ", element("code", {}, plan.phrase)), typed) : null,
    problem ? element("p", { class: "cn-failure", role: "alert" }, problem) : null,
    stale,
    element("div", { class: "cn-choices" }, leaving(root), back, act),
  ];
}

// What is now, and what will be.
function lines(plan) {
  const changes = plan.lines.some(([, now]) => now);
  if (!plan.lines.length) return null;
  return element("div", { class: "cn-scroll" }, element("table", { class: "cn-table cn-changes" },
    element("thead", {}, element("tr", {}, element("th", {}, ""), changes ? element("th", {}, "now") : null, element("th", {}, "then"))),
    element("tbody", {}, ...plan.lines.map(([about, now, then]) => element("tr", {}, element("td", {}, element("code", {}, about)),
      changes ? element("td", {}, now) : null, element("td", {}, then)))),
    plan.more ? element("tfoot", {}, element("tr", {}, element("td", { colspan: 3 }, `and ${plan.more} more`))) : null));
}

function anew(root) {
  return element("button", { type: "button", onclick: () => asked(root, { do: "again" }) }, "Look at it anew");
}

function done(root, now) {
  const result = now.results.find(({ number }) => number === now.result);
  const undo = result?.undo ? element("button", { type: "button", onclick: () => { root.dialog.node.close(); openDialog(root, { undo: result }); } }, `Undo: ${result.undo}`) : null;
  if (!result) return [element("div", { class: "cn-choices" }, leaving(root, "Close"))];
  return [drawResult(result, leaving(root, "Close"), undo), element("p", { class: "cn-muted" }, "This stays on the page until it is dismissed there.")];
}

function stale(root, now) {
  return [...head(root, titleOf(root.dialog), root.dialog.about), element("p", { class: "cn-warning", role: "alert" }, "Nothing was done. ", now.problem),
    element("div", { class: "cn-choices" }, leaving(root), anew(root))];
}

function refused(root, { problem, field, stage }) {
  const { offer } = root.dialog, [text, href] = offer?.instead ?? [];
  return [...head(root, titleOf(root.dialog), root.dialog.about), element("p", { class: "cn-failure", role: "alert" }, stage === "refused" ? "Nothing was done. " : "", [field, problem].filter(Boolean).join(": ")),
    element("div", { class: "cn-choices" }, leaving(root), text ? pageLink(href, { class: "cn-button" }, text) : null)];
}

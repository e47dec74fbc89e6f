// What an operator may do at one place of a page: a quiet row of buttons, a dialog that says what would be done before
// it is done, and what came of it.

import { element, redraw, replace, unpressed } from "./dom.js";
import { chooseRows, chosenRows, picked } from "./picks.js";
import { clock, zone } from "./format.js";
import { pageLink } from "./links.js";
import { drawDialog, openDialog } from "./steer-dialog.js";
import { drawForm } from "./steer-form.js";
import { drawResult } from "./steer-result.js";
import { look, say } from "./steer-say.js";

const EVENTS = ["cn-zone", "cn-picks"];

export function draw({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".cn-root");
  root.cell = data;
  root.send = (messages) => setTriggerValue("say", messages);
  root.unheard ??= [];
  if (!root.children.length) root.append(...["row", "form", "results"].map((part) => element("div", { class: `cn-steer-${part}` })));
  const [row, , results] = root.children;
  root.again ??= () => { unpressed(row, () => drawRow(root, row)); unpressed(results, () => drawResults(root, results)); };
  for (const event of EVENTS) document.addEventListener(event, root.again);
  if (data.chosen_in) chooseRows(data.chosen_in, root);
  root.again();
  if (data.in_page) drawForm(root.querySelector(".cn-steer-form"), data.offers[0], data.now, (fields) => openDialog(root, { offer: data.offers[0], fields }));
  drawDialog(root);
  look(root);
  return () => { for (const event of EVENTS) document.removeEventListener(event, root.again); };
}

function drawRow(root, place) {
  const { offers, chosen_in: table, in_page: inPage } = root.cell;
  redraw(place, JSON.stringify([offers, table && picked(table).textContent, zone()]), () => {
    const shown = inPage ? [] : offers.filter(({ label }) => label), apart = shown.filter(({ destroys }) => destroys);
    return [
      ...offers.filter(({ told }) => told.length).map(({ told }) => history(told)),
      table && shown.length ? picked(table) : null,
      shown.length ? element("div", { class: "cn-steer-buttons", role: "group", "aria-label": "Steer" },
        ...shown.filter(({ destroys }) => !destroys).map((offer) => button(root, offer)),
        apart.length ? element("span", { class: "cn-apart-buttons" }, ...apart.map((offer) => button(root, offer))) : null) : null,
    ];
  });
}

function button(root, offer) {
  if (offer.leads_to) return pageLink(offer.leads_to, { class: "cn-button" }, offer.label);
  const { chosen_in: table, workers } = root.cell;
  return element("button", { type: "button", class: offer.destroys ? "cn-harm" : null, "data-focus": offer.name, title: offer.title,
    disabled: Boolean(table) && !chosenRows(table).length, onclick: () => openDialog(root, { offer, about: table ? [["worker", chosenRows(table)]] : workers }) }, offer.label);
}

// What was changed here, and whether it still holds.
function history(told) {
  return element("section", { class: "cn-told" }, element("h3", {}, "Changed since it started"), element("ul", {}, ...told.map(({ text, at, who, lost }) =>
    element("li", {}, text, " ", lost ? element("span", { class: "cn-verdict cn-flag-warn" }, "lost at its restart") : null,
      at ? element("span", { class: "cn-muted" }, ` ${clock(at, zone(), true)} by ${who}`) : null))),
  element("p", { class: "cn-muted" }, "As far as it was done here. A worker keeps such changes only until it restarts."));
}

function drawResults(root, place) {
  const { now } = root.cell;
  const shown = JSON.stringify([now.results, now.stage === "acting", zone()]);
  if (place.shown === shown) return;
  place.shown = shown;
  replace(place, () => [
    now.stage === "acting" ? element("p", { class: "cn-muted", role: "status" }, `${now.plan.does}: sent, replies are waited for…`) : null,
    ...now.results.map((result) => drawResult(result,
      result.undo ? element("button", { type: "button", "data-focus": `undo-${result.number}`, onclick: () => openDialog(root, { undo: result }) }, `Undo: ${result.undo}`) : null,
      element("button", { type: "button", "data-focus": `dismiss-${result.number}`, onclick: () => say(root, { do: "dismiss", result: result.number }) }, "Dismiss"))),
  ]);
}

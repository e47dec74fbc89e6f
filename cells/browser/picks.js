// Rows of a table that an operator chooses, to steer all of them. Kept in the browser and nowhere else: no link may
// choose for somebody.

import { element } from "./dom.js";

const tables = new Map(); // name of the cell -> whose buttons wait for it, what is chosen, what is listed
const SHOWN = 12;

export function chooseRows(name, root) {
  if (tables.get(name)?.root === root) return;
  tables.set(name, { root, chosen: new Set(), listed: [] });
  tell(name);
}

export const chosenRows = (name) => [...of(name)?.chosen ?? []];

// The choice that belongs to a table, while somebody may choose.
function of(name) {
  const table = tables.get(name);
  return table?.root.isConnected ? table : undefined;
}

function tell(name) {
  document.getElementById(name)?.again?.();
  document.dispatchEvent(new Event("cn-picks"));
}

function set(name, rows, on) {
  for (const row of rows) of(name).chosen[on ? "add" : "delete"](row);
  tell(name);
}

// For table.js: what is chosen, which rows there are to choose from, and the box that stands before a row's name.
export function picksOf(name) {
  const table = of(name);
  if (!table) return null;
  return {
    chosen: () => [...table.chosen],
    list: (rows) => {
      if (rows.join("\n") === table.listed.join("\n")) return;
      table.listed = rows;
      queueMicrotask(() => document.dispatchEvent(new Event("cn-picks")));
    },
    box: (row) => element("input", { type: "checkbox", class: "cn-pick", "data-focus": `pick-${row}`, "aria-label": `Choose ${row}`,
      checked: table.chosen.has(row), onchange: (event) => set(name, [row], event.target.checked) }),
  };
}

// What is chosen, whether the table shows it now or not.
export function picked(name) {
  const chosen = chosenRows(name);
  const listed = of(name)?.listed ?? [], left = listed.filter((row) => !chosen.includes(row));
  const clear = (rows, label, text) => element("button", { type: "button", class: "cn-chip", "aria-label": label, "data-focus": label, onclick: () => set(name, rows, false) }, text, " ×");
  return element("p", { class: "cn-picked" },
    chosen.length ? `${chosen.length} chosen: ` : "Choose rows to steer them. ",
    ...chosen.slice(0, SHOWN).map((row) => clear([row], `Do not choose ${row}`, row)),
    chosen.length > SHOWN ? `and ${chosen.length - SHOWN} more ` : null,
    chosen.length > 1 ? clear(chosen, "Choose none", "none") : null,
    left.length > 1 ? element("button", { type: "button", class: "cn-chip", "data-focus": "pick-all", onclick: () => set(name, left, true) }, `choose all ${listed.length} listed`) : null);
}

// The form of a cell, in its place above it. It is the same node as long as it is open, so that no refresh and no move
// takes what is typed. Ctrl+Enter applies, Escape closes; what was typed is there again when it is opened again.

import { element } from "./dom.js";
import { fieldsOf } from "./notebook-fields.js";
import { say } from "./notebook-say.js";

const forms = new Map(); // name of the cell -> its form: the node, the value it edits, whether it is open, what was sent

export const isOpen = (name) => Boolean(forms.get(name)?.open);

export function openForm(root, redraw) {
  const { name } = root.cell, form = forms.get(name);
  if (form) form.open = true;
  else forms.set(name, { open: true, redraw });
  redraw();
  const first = forms.get(name).node?.querySelector("textarea, input, select");
  first?.focus();
  if (!form) first?.select?.(); // what it began with is to be replaced
}

// Once the server has taken what "Done" sent, or at once.
export function closesForm({ name, heard, trouble, problem, now }) {
  const form = forms.get(name);
  if (!form) return;
  if (form.sent && form.sent <= heard) {
    form.sent = 0;
    form.typed = form.typed && Boolean(problem);
    if (form.closes && !problem && !trouble) form.open = false;
    form.closes = false;
    if (!form.typed) form.stale = true;
  }
  if (now) form.open = false;
}

export function drawForm(root, place) {
  const { cell } = root, form = forms.get(cell.name);
  if (!form?.open) {
    place.replaceChildren();
    return;
  }
  const given = JSON.stringify([cell.type, cell.value]);
  if (!form.node || (!form.typed && form.given !== given && !form.node.contains(document.activeElement))) build(root, form, given);
  else if (form.stale && form.given !== given) Object.assign(form, { given }); // what is typed is what was taken
  form.stale = false;
  form.redraw = root.redraw;
  if (form.node.parentElement !== place) place.replaceChildren(form.node);
  const problem = form.node.querySelector(".cn-problem");
  if (problem.textContent !== (cell.problem ?? "")) problem.textContent = cell.problem ?? "";
  problem.hidden = !cell.problem;
}

function build(root, form, given) {
  const { name, type } = root.cell, value = structuredClone(root.cell.value);
  const apply = (closes) => {
    form.closes = closes;
    form.sent = say({ do: "apply", cell: name, value });
  };
  const leave = () => {
    form.open = false;
    form.redraw();
    document.querySelector(`[data-focus="${CSS.escape(`Edit-${name}`)}"]`)?.focus();
  };
  const fields = element("div", {});
  const draw = () => fields.replaceChildren(...fieldsOf(type, value, () => { form.typed = true; draw(); }, () => apply(false)));
  draw();
  form.given = given;
  form.node = element("form", { class: "cn-form", novalidate: true, autocomplete: "off",
    onsubmit: (event) => { event.preventDefault(); apply(true); },
    oninput: () => { form.typed = true; },
    onkeydown: (event) => {
      if (event.defaultPrevented) return;
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        apply(false);
      } else if (event.key === "Escape") {
        event.preventDefault();
        leave();
      } else if (event.key === "Enter" && event.target.matches("input")) {
        event.preventDefault();
        apply(false);
      }
    } },
  fields, element("p", { class: "cn-failure cn-problem", role: "alert", hidden: true }),
  element("div", { class: "cn-choices" },
    element("button", { type: "button", class: "cn-go", title: "Ctrl+Enter", onclick: () => apply(false) }, type === "prose" ? "Show" : "Run"),
    element("button", { type: "submit", title: "Runs it and closes the form" }, "Done"),
    element("button", { type: "button", title: "Escape", onclick: leave }, "Close"),
    element("span", { class: "cn-muted cn-keys" }, "Ctrl+Enter runs, Escape closes")));
}

// A notebook: its head, and around each cell what changes it.

import { drawBar } from "./notebook-bar.js";
import { drawHead } from "./notebook-head.js";
import { drawShelf } from "./notebook-shelf.js";
import { drawVariables } from "./notebook-variables.js";
import { draw as drawThreshold } from "./threshold.js";

const kinds = { bar: drawBar, head: drawHead, shelf: drawShelf, variables: drawVariables };

export function draw(component) {
  const { data, parentElement, setTriggerValue } = component;
  if (data.kind === "threshold") return drawThreshold(component);
  const root = parentElement.querySelector(".cn-root");
  root.cell = data;
  return kinds[data.kind](root, (messages) => setTriggerValue("say", messages)) ?? (() => {});
}

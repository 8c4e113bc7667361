// What is chosen at this moment, and the sentences in the language that is chosen.

import { TEXTS } from "./texts.js";

export const QUANTITIES = ["weights", "dweights", "dscores"];

export const state = {
  language: navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en",
  kind: "cross",
  layer: 0,
  head: 0,
  view: "lines",
  quantity: "weights",
  loss: null, // place among the content's gradients
  step: null, // null: the whole answer
  pointed: null, // {side: "rows" or "columns", place}, where the pointer or the focus is
  locked: null,
  cell: null, // {row, column} of the number that is explained
};

export function text(name, ...values) {
  const found = TEXTS[state.language][name];
  return typeof found === "function" ? found(...values) : found;
}

// The token to look at: the locked one, else where the pointer is, else the one that this step writes.
export function active() {
  if (state.locked || state.pointed) return state.locked ?? state.pointed;
  return state.step !== null && state.kind !== "encoder" ? { side: "rows", place: state.step } : null;
}

// Whether a row has happened by this step.
export function happened(row) {
  return state.step === null || state.kind === "encoder" || row <= state.step;
}

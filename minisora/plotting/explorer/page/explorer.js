// The page: what is chosen, and what is drawn again when something else is.

import { buildAnswer, markSource, showStep } from "./answer.js";
import { readColours } from "./colours.js";
import { Content } from "./content.js";
import { $, element, segments, shown, visible } from "./elements.js";
import { drawLines, highlightLines, scrollToToken } from "./lines.js";
import { cellStatus, drawMatrices, highlightMatrices, pointAt } from "./matrices.js";
import { explain } from "./number.js";
import { drawOverview, markHead } from "./overview.js";
import { active, QUANTITIES, state, text } from "./state.js";

let content = null;
let head = null; // what is drawn
let drawing = 0; // the latest drawing that was begun

// Show what a page was given.
export function show(data) {
  content = new Content(data);
  state.layer = content.map("cross").layers - 1;
  state.loss = content.gradients.length ? 0 : null;
  $("waiting").hidden = true;
  document.querySelector("main").hidden = false;
  document.title = `${data.source.text} · minisora`;
  buildAnswer(content, changeToken);
  addListeners();
  showLanguage();
}

function addListeners() {
  $("language").addEventListener("click", () => {
    state.language = state.language === "zh" ? "en" : "zh";
    showLanguage();
  });
  $("loss").addEventListener("change", () => {
    state.loss = Number($("loss").value);
    redraw();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    state.locked = state.pointed = state.cell = null;
    pointAt(null);
    highlight();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) redraw();
    width = window.innerWidth;
  });
}

// Every text in the language that is chosen; all else is drawn again.
export function showLanguage() {
  document.documentElement.lang = text("code");
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = text(each.dataset.text);
  for (const each of document.querySelectorAll("[data-label]")) {
    each.setAttribute("aria-label", text(each.dataset.label));
    if (each.matches("button")) each.title = text(each.dataset.label);
  }
  $("language").textContent = text("other");
  $("language").lang = state.language === "zh" ? "en" : "zh-CN";
  $("waiting").textContent = text("waiting");
  if (!content) return;
  const { bits, kept } = content;
  $("stored").textContent = text("stored", bits, (2 * (2 ** (bits - 1) - 1)).toLocaleString(text("code")), kept);
  const { parameters, d_model: width } = content.model;
  $("about").textContent = text("about", parameters.toLocaleString(text("code")), width);
  redraw();
}

// Draw all again: another kind, layer, head, loss, quantity, view, language or colour scheme.
async function redraw() {
  const turn = (drawing += 1);
  readColours();
  const found = await content.head(state.kind, state.layer, state.head, state.loss);
  if (turn !== drawing) return; // something else has been chosen meanwhile
  head = found;
  if (!head.has(state.quantity)) state.quantity = "weights";
  showChoices();
  showStep(content);
  $("lines").hidden = state.view !== "lines";
  $("matrices").hidden = state.view !== "matrices";
  if (state.view === "lines") drawLines(head, changeToken);
  else drawMatrices(head, changeCell);
  highlight();
  await drawOverview(content, chooseHead);
}

function showChoices() {
  segments($("kinds"), content.maps.map(({ kind }) => [kind, text("kinds")[kind]]), state.kind, chooseKind);
  $("kind-hint").textContent = text("kindHints")[state.kind];
  segments($("views"), ["lines", "matrices"].map((view) => [view, text("views")[view]]), state.view, chooseView);
  const quantities = QUANTITIES.filter((quantity) => head.has(quantity));
  segments($("quantities"), quantities.map((name) => [name, text("quantities")[name], text("quantityHints")[name]]),
    state.quantity, chooseQuantity);
  $("quantities").hidden = quantities.length === 1;
  const place = state.kind === "copy" ? "" : ` · ${text("head", state.layer + 1, state.head + 1)}`;
  $("view-title").textContent = text("kinds")[state.kind] + place;
  showLosses();
}

function showLosses() {
  $("gradient-choice").hidden = !head.has("dscores");
  const { written, losses } = content.target;
  const whole = losses.reduce((sum, loss) => sum + loss, 0);
  $("loss").replaceChildren(...content.gradients.map(({ token }, place) => {
    const label = token === null
      ? text("lossWhole", shown(whole))
      : text("lossOf", token + 1, visible(written[token]), shown(losses[token]));
    const option = element("option", "", label);
    option.value = place;
    return option;
  }));
  $("loss").value = state.loss;
  const count = content.gradients.length - 1;
  $("loss-hint").textContent = count < written.length ? text("lossSome", count) : text("lossHint");
}

function chooseKind(kind) {
  const map = content.map(kind);
  Object.assign(state, { kind, layer: Math.min(state.layer, map.layers - 1), head: Math.min(state.head, map.heads - 1) });
  Object.assign(state, { locked: null, pointed: null, cell: null });
  redraw();
}

function chooseHead(layer, number) {
  Object.assign(state, { layer, head: number });
  markHead();
  redraw();
}

function chooseView(view) {
  state.view = view;
  redraw();
}

function chooseQuantity(quantity) {
  state.quantity = quantity;
  redraw();
}

// A token was pointed at or clicked, or another step was chosen.
function changeToken({ point, click, source, step }) {
  if (step !== undefined) return changeStep(step);
  if (source !== undefined) click = { side: sourceSide(), place: source };
  if (click?.side === null) return undefined; // the decoder's self-attention does not see the source
  if (click) lock(click, source !== undefined);
  else if (point === undefined || same(point, state.pointed)) return undefined;
  else state.pointed = point;
  highlight();
  if (click && state.cell) showNumber();
  return undefined;
}

// Lock a token, let it go, or take the number between it and the one that is locked on the other side.
function lock(token, fromStrip) {
  if (state.locked && state.locked.side !== token.side && !fromStrip) {
    const [row, column] = token.side === "rows" ? [token, state.locked] : [state.locked, token];
    state.cell = { row: row.place, column: column.place };
    return;
  }
  state.locked = same(token, state.locked) ? null : token;
  if (fromStrip && state.locked && state.view === "lines") scrollToToken(token);
}

function sourceSide() {
  return { encoder: "rows", cross: "columns", copy: "columns", decoder: null }[state.kind];
}

function changeStep(step) {
  state.step = step;
  if (state.loss !== null) {
    const own = content.gradients.findIndex(({ token }) => token === step);
    state.loss = Math.max(0, own);
  }
  state.locked = null;
  redraw();
}

function same(one, other) {
  return one?.side === other?.side && one?.place === other?.place;
}

function changeCell({ cell, explain: chosen }) {
  if (chosen) state.cell = chosen;
  else pointAt(cell);
  highlight();
  if (chosen) showNumber();
}

function showNumber() {
  $("number").scrollIntoView({ block: "nearest", behavior: "smooth" });
}

// What changes when another token or cell is pointed at.
function highlight() {
  if (state.view === "lines") highlightLines(head);
  else highlightMatrices(head);
  $("status").textContent = status();
  if (state.view === "matrices") $("drawn").textContent = head.thinned ? text("thinned", content.kept) : "";
  const token = active();
  markSource(token && token.side === sourceSide() ? token.place : null);
  explain(head, lossOf());
}

function lossOf() {
  const token = state.loss === null ? null : content.gradients[state.loss].token;
  return token === null ? text("wholeAnswer") : text("quoted", visible(content.target.written[token]));
}

function status() {
  if (state.view === "matrices") {
    const said = cellStatus(head);
    if (said !== null) return said;
  }
  const token = active();
  if (!token) return text(state.view === "lines" ? "statusNone" : "statusMatrices");
  const label = visible(head.labels[token.side][token.place]);
  const said = text(token.side === "rows" ? "statusRow" : "statusColumn", label);
  return said + (state.locked && state.view === "lines" ? text("statusLocked") : "");
}

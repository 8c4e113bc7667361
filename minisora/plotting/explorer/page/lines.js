// The view with lines: tokens that look on the left, tokens that are looked at on the right.

import { colour, css, inkOf } from "./colours.js";
import { $, button, element, short, svg, visible } from "./elements.js";
import { active, happened, state, text } from "./state.js";

const MOST_LINES = 1000;
const FAINTEST = 0.02; // of the largest value: what is fainter is neither drawn nor written beside its token
const WIDTH = 400; // of the drawing, in its own units

let built = null; // what the tokens on the page belong to
let places = {}; // their buttons, by side

// Draw a head; `change` is called with what is pointed at or clicked.
export function drawLines(head, change) {
  const tokens = `${state.kind} ${state.language}`;
  if (built?.tokens !== tokens || built.labels !== head.labels.rows) build(head, change);
  built = { tokens, labels: head.labels.rows };
  highlightLines(head);
}

function build(head, change) {
  const tall = Math.max(head.rows, head.columns);
  const step = tall > 200 ? 17 : tall > 60 ? 20 : tall > 24 ? 24 : tall > 14 ? 27 : 31;
  const height = Math.max(tall * step, 3 * step);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const sides = ["rows", "columns"].map((side) => {
    const list = element("ol", `side ${side}`);
    list.style.height = `${height}px`;
    places[side] = head.labels[side].map((label, place) => token(side, place, label, head, change));
    list.append(...places[side]);
    return list;
  });
  for (const side of ["rows", "columns"]) places[side][0].firstChild.tabIndex = 0;
  const heads = [element("h3", "rows", text("attends")), element("span"), element("h3", "columns", text("attended"))];
  drawing.style.height = `${height}px`;
  $("lines").classList.toggle("dense", tall > 60);
  $("lines").replaceChildren(...heads, sides[0], drawing, sides[1]);
}

function token(side, place, label, head, change) {
  const item = element("li");
  const made = button("token", undefined, () => change({ click: { side, place } }));
  if (side === "rows" && head.before) made.append(element("small", "", `${visible(head.before[place])}›`));
  made.append(element("span", "label", visible(label)), element("span", "value"));
  made.tabIndex = -1;
  made.addEventListener("pointerenter", (event) => event.pointerType !== "touch" && change({ point: { side, place } }));
  made.addEventListener("pointerleave", () => change({ point: null }));
  made.addEventListener("focus", () => made.matches(":focus-visible") && change({ point: { side, place } }));
  made.addEventListener("blur", () => change({ point: null }));
  made.addEventListener("keydown", (event) => walk(event, side, place));
  item.append(made);
  return item;
}

// Arrows go up and down one side, and over to the other.
function walk(event, side, place) {
  const steps = { ArrowUp: -1, ArrowDown: 1, Home: -place, End: places[side].length };
  let to = null;
  if (event.key in steps) {
    to = [side, Math.max(0, Math.min(places[side].length - 1, place + steps[event.key]))];
  } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    const other = event.key === "ArrowLeft" ? "rows" : "columns";
    to = [other, Math.min(places[other].length - 1, Math.round(place * places[other].length / places[side].length))];
  }
  if (to === null) return;
  event.preventDefault();
  const from = places[side][place].firstChild;
  const next = places[to[0]][to[1]].firstChild;
  from.tabIndex = to[0] === side ? -1 : 0;
  next.tabIndex = 0;
  next.focus();
}

// Draw the lines again, and the marks on the tokens, after another token has become the active one.
export function highlightLines(head) {
  const token = active();
  mark(head, token);
  const found = chosen(head, token);
  const most = head.most(state.quantity);
  const paths = found.lines.map(([row, column, value]) => path(head, row, column, value, most));
  $("lines").querySelector("svg").replaceChildren(...paths.reverse());
  $("drawn").textContent = found.all > found.lines.length ? text("drawnSome", found.lines.length, found.all) : "";
}

// The lines to draw, the strongest first: those of one token, or of all.
function chosen(head, token) {
  const lines = [];
  const faintest = FAINTEST * head.most(state.quantity);
  const [rows, columns] = ["rows", "columns"].map((side) =>
    token?.side === side ? [token.place] : [...Array(head[side]).keys()]);
  for (const row of rows.filter(happened)) {
    for (const column of columns) {
      const value = head.at(state.quantity, row, column);
      if (Math.abs(value) > faintest) lines.push([row, column, value]);
    }
  }
  lines.sort((one, other) => Math.abs(other[2]) - Math.abs(one[2]));
  return { lines: lines.slice(0, MOST_LINES), all: lines.length };
}

function path(head, row, column, value, most) {
  const height = places.rows[0].parentElement.clientHeight || 1;
  const [from, to] = [[row, head.rows], [column, head.columns]].map(([place, count]) => (place + 0.5) * height / count);
  const part = Math.abs(value) / most;
  const made = svg("path", {
    d: `M0 ${from}C${WIDTH / 2} ${from} ${WIDTH / 2} ${to} ${WIDTH} ${to}`,
    stroke: inkOf(state.quantity, value),
    "stroke-opacity": (0.1 + 0.85 * part).toFixed(3),
    "stroke-width": (0.7 + 4.3 * part).toFixed(2),
  });
  made.dataset.row = row;
  made.dataset.column = column;
  return made;
}

// Show on each token whether it is the active one, what it has of it, and whether it has been written yet.
function mark(head, token) {
  const most = head.most(state.quantity);
  for (const side of ["rows", "columns"]) {
    places[side].forEach((item, place) => {
      const made = item.firstChild;
      const facing = token && token.side !== side;
      const [row, column] = side === "rows" ? [place, token?.place] : [token?.place, place];
      const value = facing && happened(row) ? head.at(state.quantity, row, column) : 0;
      made.classList.toggle("active", Boolean(token) && !facing && token.place === place);
      made.classList.toggle("later", side === "rows" && !happened(place));
      made.setAttribute("aria-pressed", String(state.locked?.side === side && state.locked.place === place));
      const seen = Math.abs(value) > FAINTEST * most;
      made.style.backgroundColor = seen ? css(colour(state.quantity, value, most), 0.75) : "";
      made.classList.toggle("strong", seen && Math.abs(value) > 0.55 * most);
      made.lastChild.textContent = seen ? short(value) : "";
    });
  }
}

export function scrollToToken({ side, place }) {
  places[side][place].scrollIntoView({ block: "nearest" });
}

// The view with matrices: the weights, and beside them their gradients, over the same tokens.

import { hiddenPixel, pixels } from "./colours.js";
import { $, element, shown, visible } from "./elements.js";
import { active, happened, QUANTITIES, state, text } from "./state.js";

const LABELLED = 9; // pixels that a cell has at least where its labels are written
const GAP = 18; // pixels between two matrices
const COMFORTABLE = 11; // pixels of a cell from which on matrices stand side by side

let figures = [];

// Draw a head; `change` is called with the cell that is pointed at or clicked.
export function drawMatrices(head, change) {
  const quantities = QUANTITIES.filter((quantity) => head.has(quantity));
  const focused = figures.findIndex(({ canvas }) => canvas === document.activeElement);
  const size = measure(head, quantities.length);
  figures = quantities.map((quantity) => makeFigure(head, quantity, size, change));
  $("matrices").replaceChildren(...figures.map(({ figure }) => figure));
  if (focused >= 0) figures[Math.min(focused, figures.length - 1)].canvas.focus();
  highlightMatrices(head);
}

// How large a cell is, and how much room the labels take: as many matrices side by side as get cells large enough.
function measure(head, count) {
  const room = $("matrices").clientWidth;
  for (let beside = count; beside > 1; beside -= 1) {
    const size = fit(head, (room - GAP * (beside - 1)) / beside, 34);
    if (size.cell >= COMFORTABLE) return size;
  }
  const single = fit(head, room, count > 1 ? 21 : 34);
  return single.labelled || room < 560 || count === 1 ? single : fit(head, (room - GAP) / 2, 21);
}

function fit(head, width, largest) {
  const [left, top] = [head.labels.rows, head.labels.columns].map((labels) => 10 + widest(labels));
  const cell = Math.floor(Math.min(largest, (width - left - 1) / head.columns));
  if (cell >= LABELLED) return { cell, left, top, labelled: true };
  return { cell: Math.max(1, Math.floor((width - 1) / head.columns)), left: 0, top: 0, labelled: false };
}

function widest(labels) {
  const pen = element("canvas").getContext("2d");
  pen.font = font(14);
  return Math.ceil(Math.min(90, Math.max(...labels.map((label) => pen.measureText(visible(label)).width))));
}

function font(size) {
  return `${size}px ${getComputedStyle(document.body).fontFamily}`;
}

function makeFigure(head, quantity, size, change) {
  const figure = element("figure", "matrix");
  const caption = element("figcaption");
  const copied = head.kind === "copy";
  const hint = element("span", "hint", copied ? text("copyHint") : text("quantityHints")[quantity]);
  const name = copied ? text("copyQuantity") : text("quantities")[quantity];
  caption.append(element("b", "", name), legend(head, quantity), hint);
  const canvas = paint(head, quantity, size);
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", text("matrixLabel", quantity, head.rows, head.columns));
  const marks = ["row", "column", "cell"].map((kind) => element("span", `mark ${kind}`));
  const plane = element("div", "plane");
  plane.append(canvas, ...marks);
  const scrolled = element("div", "scrolled");
  scrolled.append(plane);
  listen(canvas, head, size, change);
  caption.style.maxWidth = `${Math.max(240, size.left + size.cell * head.columns)}px`;
  figure.append(caption, scrolled);
  return { figure, canvas, marks, size };
}

function legend(head, quantity) {
  const most = head.most(quantity);
  const made = element("span", "legend");
  const bar = element("i", quantity === "weights" ? "sequential" : "diverging");
  made.append(element("span", "", quantity === "weights" ? "0" : shown(-most)), bar, element("span", "", shown(most)));
  return made;
}

// A canvas with a cell for each number, and labels where there is room for them.
function paint(head, quantity, { cell, left, top, labelled }) {
  const canvas = element("canvas");
  const sharp = window.devicePixelRatio || 1;
  const [width, height] = [left + cell * head.columns + 1, top + cell * head.rows + 1];
  Object.assign(canvas, { width: Math.ceil(width * sharp), height: Math.ceil(height * sharp) });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const pen = canvas.getContext("2d");
  pen.scale(sharp, sharp);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(cells(head, quantity), left, top, cell * head.columns, cell * head.rows);
  if (cell >= 8) grid(pen, head, cell, left, top);
  pen.fillStyle = getComputedStyle(document.body).color;
  pen.font = font(Math.min(14, cell));
  pen.textBaseline = "middle";
  if (labelled) {
    rowLabels(pen, head, cell, left, top);
    columnLabels(pen, head, cell, left, top);
  }
  return canvas;
}

// One pixel for each number.
function cells(head, quantity) {
  const canvas = element("canvas");
  Object.assign(canvas, { width: head.columns, height: head.rows });
  const image = new ImageData(head.columns, head.rows);
  const whole = new Uint32Array(image.data.buffer);
  const [pixel, hidden] = [pixels(quantity, head.most(quantity)), hiddenPixel()];
  for (let row = 0; row < head.rows; row += 1) {
    const there = happened(row);
    for (let column = 0; column < head.columns; column += 1) {
      const seen = there && !head.hidden(row, column);
      whole[row * head.columns + column] = seen ? pixel(head.at(quantity, row, column)) : hidden;
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function grid(pen, head, cell, left, top) {
  pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--card");
  pen.lineWidth = 1;
  pen.beginPath();
  for (let column = 0; column <= head.columns; column += 1) {
    pen.moveTo(left + cell * column + 0.5, top);
    pen.lineTo(left + cell * column + 0.5, top + cell * head.rows);
  }
  for (let row = 0; row <= head.rows; row += 1) {
    pen.moveTo(left, top + cell * row + 0.5);
    pen.lineTo(left + cell * head.columns, top + cell * row + 0.5);
  }
  pen.stroke();
}

function rowLabels(pen, head, cell, left, top) {
  pen.textAlign = "right";
  head.labels.rows.forEach((label, row) => {
    pen.globalAlpha = happened(row) ? 1 : 0.35;
    pen.fillText(visible(label), left - 6, top + cell * (row + 0.5), left - 6);
  });
  pen.globalAlpha = 1;
}

// One character stands upright, a longer label is turned.
function columnLabels(pen, head, cell, left, top) {
  head.labels.columns.forEach((label, column) => {
    const written = visible(label);
    pen.save();
    pen.translate(left + cell * (column + 0.5), top - 6);
    if (pen.measureText(written).width > cell + 1) {
      pen.rotate(-Math.PI / 2);
      pen.textAlign = "left";
      pen.fillText(written, 0, 0, top - 8);
    } else {
      pen.textAlign = "center";
      pen.fillText(written, 0, -7);
    }
    pen.restore();
  });
}

function listen(canvas, head, { cell, left, top }, change) {
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    const [row, column] = [[event.clientY - box.top - top], [event.clientX - box.left - left]].map(([distance]) =>
      Math.floor(distance / cell));
    const inside = row >= 0 && column >= 0 && row < head.rows && column < head.columns && happened(row);
    return inside ? { row, column } : null;
  };
  canvas.addEventListener("pointermove", (event) => change({ cell: place(event) }));
  canvas.addEventListener("pointerleave", () => change({ cell: null }));
  canvas.addEventListener("click", (event) => place(event) && change({ explain: place(event) }));
  canvas.addEventListener("blur", () => change({ cell: null }));
  canvas.addEventListener("keydown", (event) => walkCells(event, head, change));
}

function walkCells(event, head, change) {
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const at = pointedCell ?? state.cell ?? { row: 0, column: 0 };
  if (event.key in steps) {
    const [down, right] = steps[event.key];
    const row = Math.max(0, Math.min(head.rows - 1, at.row + down));
    change({ cell: { row, column: Math.max(0, Math.min(head.columns - 1, at.column + right)) } });
  } else if (event.key === "Enter" || event.key === " ") {
    change({ explain: at });
  } else {
    return;
  }
  event.preventDefault();
}

let pointedCell = null; // where the pointer or the arrows are

export function pointAt(cell) {
  pointedCell = cell;
}

// Put the marks over the cell that is pointed at, or the row or column of the active token.
export function highlightMatrices(head) {
  const token = active();
  const at = pointedCell ?? (token ? { [token.side === "rows" ? "row" : "column"]: token.place } : {});
  for (const { marks, size } of figures) {
    const { cell, left, top } = size;
    box(marks[0], at.row !== undefined, left, top + cell * at.row, cell * head.columns, cell);
    box(marks[1], at.column !== undefined, left + cell * at.column, top, cell, cell * head.rows);
    const { row, column } = state.cell ?? {};
    box(marks[2], state.cell !== null, left + cell * column, top + cell * row, cell, cell);
  }
}

function box(mark, there, left, top, width, height) {
  mark.hidden = !there;
  if (there) {
    Object.assign(mark.style, {
      left: `${left}px`, top: `${top}px`, width: `${width + 1}px`, height: `${height + 1}px`,
    });
  }
}

// What the cell that is pointed at holds, in words.
export function cellStatus(head) {
  if (!pointedCell) return null;
  const { row, column } = pointedCell;
  const [from, to] = [head.labels.rows[row], head.labels.columns[column]].map(visible);
  if (head.hidden(row, column)) return text("hiddenCell", from, to);
  const found = QUANTITIES.filter((quantity) => head.has(quantity));
  const said = found.map((quantity) => `${quantity} ${shown(head.at(quantity, row, column))}`).join(" · ");
  return text("statusCell", from, to, said);
}

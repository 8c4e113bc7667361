// All heads of a kind at one glance: a small picture for each, one row for a layer.

import { hiddenPixel, pixels } from "./colours.js";
import { $, button, element } from "./elements.js";
import { state, text } from "./state.js";

const LARGEST = 40; // pixels of a picture

let latest = ""; // what the pictures show, or will show

export async function drawOverview(content, choose) {
  const turn = [state.kind, state.quantity, state.loss, state.language, hiddenPixel()].join();
  if (turn === latest) return;
  latest = turn;
  const map = content.map(state.kind);
  $("overview").hidden = map.layers * map.heads === 1;
  $("heads-title").textContent = text("heads", map.layers, map.heads);
  $("heads").style.setProperty("--columns", map.heads);
  const pictures = [...Array(map.layers * map.heads).keys()].map((number) => {
    const [layer, head] = [Math.floor(number / map.heads), number % map.heads];
    const made = button("head", undefined, () => choose(layer, head));
    made.setAttribute("aria-label", text("head", layer + 1, head + 1));
    made.title = text("head", layer + 1, head + 1);
    made.append(element("canvas"));
    made.addEventListener("keydown", (event) => walkHeads(event, number, map.heads));
    return made;
  });
  const focused = [...$("heads").children].indexOf(document.activeElement);
  $("heads").replaceChildren(...pictures);
  markHead();
  if (focused >= 0) pictures[Math.min(focused, pictures.length - 1)].focus();
  const heads = await Promise.all(pictures.map((_, number) =>
    content.head(state.kind, Math.floor(number / map.heads), number % map.heads, state.loss)));
  if (turn !== latest) return;
  const all = Math.max(...heads.map((head) => head.most(state.quantity)));
  heads.forEach((head, number) => {
    const most = state.quantity === "weights" ? head.most("weights") : all; // gradients: which head matters most
    picture(pictures[number].firstChild, head, most);
  });
}

// Show which head is chosen.
export function markHead() {
  const columns = Number($("heads").style.getPropertyValue("--columns"));
  [...$("heads").children].forEach((made, number) => {
    made.setAttribute("aria-pressed", String(number === state.layer * columns + state.head));
  });
}

function walkHeads(event, number, columns) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  $("heads").children[number + step]?.focus();
}

// A pixel shows the largest value of the cells that fall into it.
function picture(canvas, head, most) {
  const [width, height] = [Math.min(LARGEST, head.columns), Math.min(LARGEST, head.rows)];
  Object.assign(canvas, { width, height });
  const largest = new Float32Array(width * height);
  const below = new Int32Array(head.columns).map((_, column) => Math.floor(column * width / head.columns));
  for (let row = 0; row < head.rows; row += 1) {
    const first = Math.floor(row * height / head.rows) * width;
    for (let column = 0; column < head.columns; column += 1) {
      const value = head.at(state.quantity, row, column);
      const place = first + below[column];
      if (Math.abs(value) > Math.abs(largest[place])) largest[place] = value;
    }
  }
  const image = new ImageData(width, height);
  const whole = new Uint32Array(image.data.buffer);
  const pixel = pixels(state.quantity, most);
  largest.forEach((value, place) => {
    const hidden = head.causal && place % width > Math.floor(place / width) * width / height;
    whole[place] = hidden && !value ? hiddenPixel() : pixel(value);
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// Colours of numbers: weights from the paper to one colour, gradients from one colour over the paper to another.

const palette = {};

const STEPS = 256; // that colours have from 0 to the largest value

// A function from a value to its colour as one pixel of an image, 32 bits.
export function pixels(quantity, most) {
  const table = new Uint32Array(2 * STEPS + 1);
  const bytes = new Uint8Array(table.buffer);
  for (let i = -STEPS; i <= STEPS; i += 1) bytes.set([...colour(quantity, i, STEPS), 255], 4 * (i + STEPS));
  return (value) => table[STEPS + Math.round(STEPS * value / (most || 1))];
}

// The pixel of what cannot be seen.
export function hiddenPixel() {
  return new Uint32Array(new Uint8Array([...palette.hidden, 255]).buffer)[0];
}

// Read the colours of the scheme that is shown, light or dark, from the style.
export function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["zero", "weight", "strong", "minus", "plus", "hidden"]) {
    const hex = style.getPropertyValue(`--${name}`).trim();
    palette[name] = [1, 3, 5].map((place) => Number.parseInt(hex.slice(place, place + 2), 16));
  }
}

// The colour [r, g, b] of a value whose largest possible size is `most`.
export function colour(quantity, value, most) {
  const part = most > 0 ? Math.min(1, Math.abs(value) / most) : 0;
  if (quantity !== "weights") return mix(palette.zero, value < 0 ? palette.minus : palette.plus, part ** 0.75);
  return part < 0.5 ? mix(palette.zero, palette.weight, 2 * part) : mix(palette.weight, palette.strong, 2 * part - 1);
}

// The colour of a line or a mark that must be seen on the paper.
export function inkOf(quantity, value) {
  return css(quantity === "weights" ? palette.strong : value < 0 ? palette.minus : palette.plus);
}

export function css([red, green, blue], alpha = 1) {
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
}

function mix(from, to, part) {
  return from.map((value, i) => Math.round(value + part * (to[i] - value)));
}

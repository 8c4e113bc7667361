// Elements and numbers. Text is only ever set as textContent.

export const $ = (id) => document.getElementById(id);

export function element(tag, className, content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
}

export function button(className, content, act) {
  const made = element("button", className, content);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

export function svg(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// A row of buttons of which one is chosen.
export function segments(parent, options, chosen, choose) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.value : null;
  parent.replaceChildren(...options.map(([value, label, hint]) => {
    const made = button("segment", label, () => choose(value));
    made.dataset.value = value;
    made.setAttribute("aria-pressed", String(value === chosen));
    if (hint) made.title = hint;
    return made;
  }));
  if (focused !== null) [...parent.children].find((each) => each.dataset.value === focused)?.focus();
}

// A number with four figures, and a minus sign that is one.
export function shown(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const digits = size < 1e-3 || size >= 1e5 ? size.toExponential(3) : size.toPrecision(4);
  const [figures, power] = digits.split("e");
  return (value < 0 ? "−" : "") + figures + (power ? `·10${superscript(power)}` : "");
}

function superscript(power) {
  return [...power.replace("+", "")].map((sign) => (sign === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[sign])).join("");
}

// A number short enough to stand beside a token.
export function short(value) {
  const size = Math.abs(value);
  if (size < 5e-5) return "0";
  const figures = size < 0.01 ? size.toExponential(0).replace("e-", "e−") : size.toFixed(size < 10 ? 2 : 0);
  return (value < 0 ? "−" : "") + figures.replace(/^0\./, ".");
}

// White space that could not be seen.
export function visible(label) {
  const spaces = { " ": "␣", "\n": "⏎", "\t": "⇥", "　": "□" };
  return label.replace(/[ \n\t　]/g, (found) => spaces[found]) || "∅";
}

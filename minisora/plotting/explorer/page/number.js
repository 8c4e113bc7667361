// One number, explained: its formula, and the same formula with its values put in.

import { colour, css } from "./colours.js";
import { $, element, shown, visible } from "./elements.js";
import { state, text } from "./state.js";

const TERMS = 5;
const SUM = "Σₛ′ weights[t,s′] · dweights[t,s′]";

// `lossOf` is what the gradients belong to, in words.
export function explain(head, lossOf) {
  const body = $("number-body");
  if (state.cell === null) {
    $("number-title").textContent = text("numberTitle");
    body.replaceChildren(element("p", "hint", text("numberEmpty")));
    return;
  }
  const { row, column } = state.cell;
  const [from, to] = [head.labels.rows[row], head.labels.columns[column]].map(visible);
  $("number-title").textContent = text("numberOf", from, to, state.layer + 1, state.head + 1);
  if (!head.stored(row, column)) {
    body.replaceChildren(element("p", "", text(head.hidden(row, column) ? "hiddenNumber" : "notKept")));
    return;
  }
  const weight = head.at("weights", row, column);
  const percent = `${(100 * weight).toPrecision(3)} %`;
  const share = head.kind === "copy" ? text("copyShare", to, percent) : text("share", from, to, percent);
  const parts = [element("p", "", share)];
  if (head.has("dscores")) parts.push(formula(head, row, column), sentence(head, row, column, lossOf), terms(head, row));
  else parts.push(element("p", "hint", text("noGradient")));
  body.replaceChildren(...parts);
}

function formula(head, row, column) {
  const [weight, dweight, dscore] = ["weights", "dweights", "dscores"].map((name) => head.at(name, row, column));
  const mean = shown(head.means[row]);
  const lines = [
    ["dscores[t,s]", "=", [["weights[t,s]"], " · (", ["dweights[t,s]"], " − ", [SUM], ")"]],
    ["", "=", [[shown(weight), "w"], " · (", [shown(dweight), "d"], ` − ${mean.startsWith("−") ? "(" : ""}`, [mean, "m"],
      `${mean.startsWith("−") ? ")" : ""})`]],
    ["", "=", [[shown(dscore), "result"]]],
  ];
  const made = element("div", "formula");
  made.append(...lines.flatMap(([left, sign, right]) => {
    const side = element("span", "right");
    side.append(...right.map((part) => (typeof part === "string" ? part : element("span", part[1] ?? "", part[0]))));
    return [element("span", "left", left), element("span", "sign", sign), side];
  }));
  return made;
}

function sentence(head, row, column, lossOf) {
  const value = head.at("dscores", row, column);
  return element("p", "", text(value < 0 ? "falls" : value > 0 ? "rises" : "flat", lossOf));
}

// The terms of the sum over the row, the largest first, the others together.
function terms(head, row) {
  const all = [...Array(head.columns).keys()].filter((column) => head.stored(row, column)).map((column) => {
    const [weight, dweight] = ["weights", "dweights"].map((name) => head.at(name, row, column));
    return { column, weight, dweight, product: weight * dweight };
  });
  all.sort((one, other) => Math.abs(other.product) - Math.abs(one.product));
  const first = all.slice(0, TERMS);
  const said = first.reduce((sum, term) => sum + term.product, 0);
  const rows = first.map(({ column, weight, dweight, product }) => ({
    cells: [visible(head.labels.columns[column]), shown(weight), shown(dweight), shown(product)], product,
    here: column === state.cell.column,
  }));
  const others = head.columns - first.length - (head.causal ? head.columns - row - 1 : 0);
  if (others > 0) rows.push({ cells: [text("others", others), "", "", shown(head.means[row] - said)], product: 0 });
  rows.push({ cells: [text("sum"), "", "", shown(head.means[row])], product: 0, sum: true });
  return table(rows, Math.max(...first.map(({ product }) => Math.abs(product))));
}

function table(rows, most) {
  const made = element("table", "terms");
  made.createCaption().textContent = text("terms");
  const top = made.createTHead().insertRow();
  for (const label of [text("from"), "weights", "dweights", text("product")]) top.append(element("th", "", label));
  const body = made.createTBody();
  for (const { cells, product, here, sum } of rows) {
    const line = body.insertRow();
    line.className = [here ? "here" : "", sum ? "sum" : ""].join(" ").trim();
    cells.forEach((content) => line.append(element("td", "", content)));
    if (product) line.lastChild.style.backgroundColor = css(colour("dscores", product, most), 0.5);
  }
  const scrolled = element("div", "scrolled");
  scrolled.append(made);
  return scrolled;
}

// The question, the answer, and the steps by which the answer was written.

import { $, button, element, shown, visible } from "./elements.js";
import { state, text } from "./state.js";

const PAUSE = 900; // milliseconds between two steps

let timer = null;

// Put the tokens on the page; `change` is called with the step or the token of the source that was chosen.
export function buildAnswer(content, change) {
  $("source").replaceChildren(...content.source.tokens.map((label, place) =>
    item(button("chip", visible(label), () => change({ source: place })))));
  $("target").replaceChildren(...content.target.written.map((label, place) => {
    const made = button("chip", visible(label), () => change({ step: state.step === place ? null : place }));
    const probability = Math.exp(-content.target.losses[place]);
    made.title = `p = ${shown(probability)}`;
    const bar = element("i");
    bar.style.setProperty("--part", probability.toFixed(3));
    made.append(bar);
    return item(made);
  }));
  const last = content.target.written.length - 1;
  $("step").max = last + 1;
  const go = (step) => {
    pause();
    change({ step });
  };
  $("step").oninput = () => go(Number($("step").value) > last ? null : Number($("step").value));
  $("back").onclick = () => go(state.step === null ? last : Math.max(0, state.step - 1));
  $("on").onclick = () => go(next(last));
  $("whole").onclick = () => go(null);
  $("play").onclick = () => (timer === null ? play(last, change) : pause());
}

function item(child) {
  const made = element("li");
  made.append(child);
  return made;
}

function next(last) {
  if (state.step === null) return 0;
  return state.step < last ? state.step + 1 : null;
}

function play(last, change) {
  const on = () => {
    change({ step: next(last) });
    if (state.step === null) pause();
  };
  timer = setInterval(on, PAUSE);
  on();
  showPlaying();
}

function pause() {
  clearInterval(timer);
  timer = null;
  showPlaying();
}

function showPlaying() {
  $("play").textContent = timer === null ? "▶" : "⏸";
  $("play").setAttribute("aria-label", text(timer === null ? "play" : "pause"));
}

// Show the step that is chosen, and what could have been written there.
export function showStep(content) {
  const { step } = state;
  const { written, read, losses, candidates } = content.target;
  [...$("target").children].forEach(({ firstChild: chip }, place) => {
    chip.setAttribute("aria-pressed", String(place === step));
    chip.classList.toggle("later", step !== null && place > step);
  });
  $("step").value = step ?? written.length;
  $("step").setAttribute("aria-valuetext", step === null ? text("whole") : `${step + 1}: ${visible(written[step])}`);
  $("whole").setAttribute("aria-pressed", String(step === null));
  if (step === null) {
    const loss = losses.reduce((sum, each) => sum + each, 0);
    $("candidates").replaceChildren(element("p", "hint", text("candidatesWhole", shown(loss))));
    return;
  }
  const list = element("ul");
  list.append(...candidates[step].map(([label, probability]) => candidate(label, probability, written[step])));
  $("candidates").replaceChildren(element("p", "hint", text("candidatesAt", step + 1, visible(read[step]))), list);
}

function candidate(label, probability, chosen) {
  const made = element("li", label === chosen ? "chosen" : "");
  const bar = element("i");
  bar.style.setProperty("--part", Math.max(0.004, probability).toFixed(3));
  made.append(element("span", "label", visible(label)), bar, element("span", "value", shown(probability)));
  return made;
}

// Mark the token of the source that is looked at, or that looks.
export function markSource(place) {
  [...$("source").children].forEach(({ firstChild: chip }, at) => chip.setAttribute("aria-pressed", String(at === place)));
}

// The page: what is on it, and what happens when it is used. Text from people and from the model is only ever set as
// textContent.

import { parseFacts } from "./facts.js";
import { answer, attention, examples, model, Refused } from "./server.js";
import { TEXTS } from "./texts.js";

const $ = (id) => document.getElementById(id);
const OWN = "own";
const MOST_TURNS = 8;

const state = {
  language: navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en",
  model: null,
  examples: [], // the first has no context
  turns: [], // the questions of this conversation that were answered
  running: null, // AbortController of the answer that is coming
};

const text = (name, ...values) => {
  const found = TEXTS[state.language][name];
  return typeof found === "function" ? found(...values) : found;
};

function element(tag, className, content) {
  const made = document.createElement(tag);
  made.className = className;
  if (content !== undefined) made.textContent = content;
  return made;
}

const sayings = new WeakMap(); // element to the function that says what stands in it

// An element that says the same in the other language when the page is switched.
function translated(tag, className, say) {
  const made = element(tag, className, say());
  made.dataset.said = "";
  sayings.set(made, say);
  return made;
}

function showLanguage() {
  document.documentElement.lang = text("code");
  for (const each of document.querySelectorAll("[data-text]")) each.textContent = text(each.dataset.text);
  for (const each of document.querySelectorAll("[data-said]")) each.textContent = sayings.get(each)();
  $("language").textContent = text("other");
  $("language").lang = state.language === "zh" ? "en" : "zh-CN";
  $("facts").placeholder = text("factsPlaceholder");
  $("question").placeholder = text("questionPlaceholder");
  $("suggestions").setAttribute("aria-label", text("suggestions"));
  showModel();
  showExamples();
  showSuggestions();
  readFacts();
}

function showModel() {
  if (!state.model) return;
  const { name, parameters, max_len: length } = state.model;
  $("model").textContent = text("model", name, parameters.toLocaleString(text("code")), length);
}

function showExamples() {
  const select = $("example");
  const chosen = select.value;
  const options = state.examples.map((example, i) => [String(i), example[state.language]]);
  select.replaceChildren(...[...options, [OWN, text("own")]].map(([value, label]) => {
    const option = element("option", "", label);
    option.value = value;
    return option;
  }));
  select.value = chosen || (options.length ? "0" : OWN);
}

function showSuggestions() {
  const questions = state.examples[$("example").value]?.questions ?? [];
  $("suggestions").replaceChildren(...questions.map(([question, meaning]) => {
    const button = element("button", "suggestion");
    button.type = "button";
    const words = element("span", "", question);
    words.lang = "zh-CN";
    button.append(words);
    if (state.language === "en") button.append(element("small", "", meaning));
    button.addEventListener("click", () => ask(question));
    return button;
  }));
}

function chooseExample() {
  const example = state.examples[$("example").value];
  if (example) $("facts").value = example.facts.join("\n");
  $("follow").checked = Boolean(example?.follow);
  contextChanged();
}

function typeFacts() {
  $("example").value = $("facts").value.trim() ? OWN : "0";
  contextChanged();
}

function contextChanged() {
  state.turns = [];
  readFacts();
  showSuggestions();
}

// The facts as they are typed, or null, and then the page says what is wrong.
function readFacts() {
  const { facts, wrong, twice } = parseFacts($("facts").value);
  const message = wrong !== undefined ? text("notAFact", wrong) : twice !== undefined ? text("twice", twice) : "";
  $("facts-error").textContent = message;
  $("facts").setAttribute("aria-invalid", String(Boolean(message)));
  return facts ?? null;
}

async function ask(question) {
  const context = readFacts();
  if (state.running || !question.trim()) return;
  if (context === null) {
    $("context-panel").open = true;
    $("facts").focus();
    return;
  }
  const conversation = state.turns; // another one may have begun when the answer ends
  const turns = [...($("follow").checked ? conversation : []), question].slice(-MOST_TURNS);
  const shown = showTurn(question, context);
  setRunning(new AbortController());
  try {
    for await (const piece of answer({ context, turns }, state.running.signal)) {
      shown.answer.textContent += piece;
      scrollDown();
    }
    conversation.push(question);
    shown.finish(turns);
  } catch (error) {
    shown.fail(error);
  }
  setRunning(null);
  scrollDown();
}

function setRunning(controller) {
  state.running = controller;
  $("send").hidden = Boolean(controller);
  $("stop").hidden = !controller;
  $("log").setAttribute("aria-busy", String(Boolean(controller)));
}

// Put a question on the page, with an empty answer under it.
function showTurn(question, context) {
  $("welcome")?.remove();
  const turn = element("article", "turn");
  const said = element("p", "said", question);
  const given = element("ul", "given");
  for (const [key, value] of Object.entries(context)) given.append(element("li", "", `${key}=${value}`));
  const reply = element("p", "answer");
  reply.lang = "zh-CN";
  turn.append(...(given.childElementCount ? [given] : []), said, reply);
  turn.classList.add("running");
  $("log").append(turn);
  scrollDown();
  return {
    answer: reply,
    finish: (turns) => {
      turn.classList.remove("running");
      turn.append(below(context, turns));
    },
    fail: (error) => {
      turn.classList.remove("running");
      turn.append(translated("p", "note error", () => reason(error, reply.textContent)));
    },
  };
}

// What stands under an answer: where it comes from, and what attention looked at.
function below(context, turns) {
  const line = element("p", "note");
  const count = Object.keys(context).length;
  line.append(translated("span", "", () => (count ? text("fromContext", count) : text("invented"))));
  const look = translated("button", "quiet look", () => text("explore"));
  const save = translated("button", "quiet", () => text("attention"));
  look.type = save.type = "button";
  look.addEventListener("click", () => explore({ context, turns }));
  save.addEventListener("click", () => download(save, { context, turns }));
  line.append(" ", look, " ", save);
  return line;
}

// Open the page that shows attention, and tell it what was asked as soon as it wants to know: an address would keep it.
function explore(asked) {
  const opened = window.open("explorer/");
  window.addEventListener("message", ({ source, origin }) => {
    if (source === opened && origin === location.origin) opened.postMessage(asked, location.origin);
  });
}

async function download(button, asked) {
  button.disabled = true;
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await attention(asked));
    link.download = "attention.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  } catch (error) {
    button.after(" ", translated("span", "error", () => reason(error, "")));
  }
  button.disabled = false;
}

function reason(error, begun) {
  if (error.name === "AbortError") return text("stopped");
  if (error instanceof Refused && error.sentences) return error.sentences[state.language];
  return text(begun ? "cut" : "unreachable");
}

function scrollDown() {
  $("log").scrollTop = $("log").scrollHeight;
}

function grow() {
  const field = $("question");
  field.rows = Math.min(5, field.value.split("\n").length);
}

function submit() {
  const question = $("question").value;
  if (state.running || !question.trim()) return;
  $("question").value = "";
  grow();
  ask(question);
}

function startAgain() {
  state.running?.abort();
  state.turns = [];
  $("log").replaceChildren();
  $("question").focus();
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
$("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return; // an input method confirms with Enter
  event.preventDefault();
  submit();
});
$("question").addEventListener("input", grow);
$("stop").addEventListener("click", () => state.running?.abort());
$("new").addEventListener("click", startAgain);
$("example").addEventListener("change", chooseExample);
$("facts").addEventListener("input", typeFacts);
$("language").addEventListener("click", () => {
  state.language = state.language === "zh" ? "en" : "zh";
  showLanguage();
});

if (matchMedia("(max-width: 52rem)").matches) $("context-panel").open = false;
showLanguage();
Promise.all([model(), examples()]).then(([found, contexts]) => {
  state.model = found;
  state.examples = contexts;
  showLanguage();
  typeFacts(); // what was typed meanwhile stays
}).catch(() => {});

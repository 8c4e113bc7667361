// Where the content comes from: it stands in the page, or the page of `minisora serve` that opened this one says what
// to ask the server for.

import { $ } from "./elements.js";
import { show, showLanguage } from "./explorer.js";
import { text } from "./state.js";

const embedded = $("content");
if (embedded) {
  show(JSON.parse(embedded.textContent));
} else {
  showLanguage();
  $("waiting").hidden = false;
  if (!window.opener) fail();
  window.addEventListener("message", receive);
  window.opener?.postMessage("ready", location.origin);
}

async function receive({ origin, source, data }) {
  if (origin !== location.origin || source !== window.opener) return;
  window.removeEventListener("message", receive);
  try {
    const body = JSON.stringify(data);
    const response = await fetch("content", { method: "POST", headers: { "content-type": "application/json" }, body });
    const content = await response.json();
    if (response.ok) show(content);
    else fail(content.error);
  } catch {
    fail();
  }
}

function fail(sentences) {
  $("waiting").textContent = sentences ? sentences[text("code") === "en" ? "en" : "zh"] : text("unreachable");
}

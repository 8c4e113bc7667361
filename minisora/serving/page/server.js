// What the page asks of the server.

// Why there is no answer: in the server's words in both languages, or null where it could not be reached.
export class Refused extends Error {
  constructor(error) {
    super(error ? error.code : "unreachable");
    this.sentences = error;
  }
}

// What is known of the model.
export async function model() {
  return (await request("model", {})).json();
}

// The contexts to choose from: names, facts, and questions with their meaning in English.
export async function examples() {
  return (await request("examples.json", {})).json();
}

// Yields the pieces of the answer to {context, turns} as they come.
export async function* answer(asked, signal) {
  const response = await request("answer", { ...post(asked), signal });
  let done = false;
  for await (const line of lines(response.body)) {
    const event = JSON.parse(line);
    if (event.error) throw new Refused(event.error);
    if (event.piece) yield event.piece;
    done = done || event.done === true;
  }
  if (!done) throw new Refused(null);
}

// What attention looked at, as a file.
export async function attention(asked) {
  return (await request("attention", post(asked))).blob();
}

function post(content) {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(content) };
}

async function request(address, options) {
  let response;
  try {
    response = await fetch(address, { credentials: "omit", redirect: "error", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(null);
  }
  if (response.ok) return response;
  const content = await response.json().catch(() => ({}));
  throw new Refused(content.error ?? null);
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts.filter(Boolean);
  }
}

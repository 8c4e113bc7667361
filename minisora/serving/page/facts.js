// From the text of a context to its facts.

// The facts of a text as {facts: {key: value}}; {wrong: line} or {twice: key} where it is not made of facts.
export function parseFacts(text) {
  const facts = new Map();
  for (const line of text.split(/[\n;；]/).map((part) => part.trim()).filter(Boolean)) {
    const place = line.search(/[=＝]/);
    const key = line.slice(0, Math.max(place, 0)).trim();
    if (!key) return { wrong: line };
    if (facts.has(key)) return { twice: key };
    facts.set(key, line.slice(place + 1).trim());
  }
  return { facts: Object.fromEntries(facts) };
}

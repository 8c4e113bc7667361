"""What the page knows, as JSON: tokens, probabilities, weights, and gradients of the losses.

::

    {"format": "minisora-explorer", "version": 1, "bits": 8 or 16, "kept": null or a number,
     "model": {"parameters": a number, "d_model": a number},
     "source": {"text": "...", "tokens": [S labels]},
     "target": {"text": "...", "read": [T labels], "written": [T labels], "losses": [T numbers],
                "candidates": [T lists of [label, probability]]},
     "maps": [{"kind": "encoder", "layers": L, "heads": H, "rows": T, "columns": S, "causal": false,
               "weights": [L packed], "places": null or [L packed]}, ...],
     "gradients": [{"token": null or a place, "encoder": [L packed], "decoder": [...], "cross": [...]}, ...]}

``packed`` is what `minisora.plotting.explorer.quantised` makes of an array (H, T, S). The kinds are ``encoder``,
``decoder`` and ``cross``, and ``copy`` for a model that copies: (1, T, S), the probability that the next token is
copied from a place. Of dweights a row is kept as its mean under the weights, sum_s(weights * dweights), and what each
entry differs from it; so dscores = weights * difference. Hidden keys have 0. ``kept`` says how many of a row's largest
weights are there, null all of them: rows that are longer have so many numbers, gradients too, and ``places`` says where
they stand.
"""

import numpy as np

from minisora.generation import generate
from minisora.generation.attention_json import labels_of
from minisora.generation.batches import encode
from minisora.generation.config import GenerationConfig
from minisora.generation.generate import longest
from minisora.kernels.numpy_attention import softmax_forward
from minisora.layers.decoder_state import weights_in
from minisora.plotting.explorer.backward import attention_caches, gradients_of, twin_of
from minisora.plotting.explorer.budget import GRADIENTS, Sizes, largest_of_rows, make_budget
from minisora.plotting.explorer.quantised import pack, pack_places, unpack, unpack_places

FORMAT, VERSION = "minisora-explorer", 1
CANDIDATES = 5
TOGETHER = 4_000_000  # gradients in memory at the same time


def explore(model, tokenizer, text, *, target_tokenizer=None, answer=None, tokens=None, most=GRADIENTS, **options):
    """Return the content of a page, as a dict for JSON.

    Parameters
    ----------
    model : SoraModel
    tokenizer, target_tokenizer : SoraTokenizer
    text : str
    answer : str, optional
        What the model is to say; None: what it says.
    tokens : list of int, optional
        Places in the answer whose own gradients are wanted.
    most : int
        Most numbers of all gradients together; 0: none.
    **options
        Of `minisora.generation.generate`.
    """
    target_tokenizer = target_tokenizer or tokenizer
    source = np.array(encode(model, tokenizer, [text]))  # (1, S)
    answer, ids, steps = said(model, tokenizer, target_tokenizer, text, answer, options)
    check_tokens(tokens, steps)
    read, written = (np.array([row[:steps]]) for row in ([model.config.bos_id, *ids], [*ids, model.config.eos_id]))
    twin = twin_of(model)
    logits, cache = twin.forward(source, read)
    probabilities, _ = softmax_forward(logits[0].astype(np.float64))  # (T, V)
    losses = -np.log(probabilities[np.arange(steps), written[0]])
    weights = {kind: [weights_in(one)[0] for one in caches] for kind, caches in attention_caches(cache).items()}
    budget = make_budget(sizes_of(weights), losses, tokens=tokens, gradients=most)
    shown = weights if cache.decoder.copy is None else weights | copies(cache.decoder.copy.copy, probabilities, source)
    places = {kind: [largest_of_rows(one, budget.kept) for one in layers] for kind, layers in shown.items()}
    gradients = packed_gradients(twin, source, read, written, weights, places, budget) if most else []
    return {
        "format": FORMAT,
        "version": VERSION,
        "bits": budget.bits,
        "kept": budget.kept,
        "model": {"parameters": model.num_parameters(), "d_model": model.config.d_model},
        "source": {"text": text, "tokens": tokenizer.labels(text)},
        "target": {
            **target_of(target_tokenizer, answer, ids, steps),
            "losses": losses.round(6).tolist(),
            "candidates": candidates(probabilities, target_tokenizer.tokens),
        },
        "maps": [map_of(kind, layers, places[kind], budget.bits) for kind, layers in shown.items()],
        "gradients": list(gradients),
    }


def said(model, tokenizer, target_tokenizer, text, answer, options):
    """The answer, its ids, and the steps that it takes: one more than ids, for the end token, unless it was cut."""
    if answer is None:
        (one,) = generate(model, tokenizer, target_tokenizer, [text], **options)
        ids = one.hypotheses[0].ids
        return one.text, ids, min(len(ids) + 1, longest(model, GenerationConfig(**options)))
    if options:
        raise ValueError(f"expected no {', '.join(sorted(options))} beside an answer, which is not generated")
    ids = target_tokenizer.encode(answer)
    if len(ids) >= model.config.max_len:
        raise ValueError(f"an answer of at most {model.config.max_len - 1} tokens is expected, got {len(ids)}")
    return answer, ids, len(ids) + 1


def target_of(tokenizer, answer, ids, steps):
    """The answer, what was read before each of its tokens, and the tokens."""
    labels = labels_of(tokenizer, answer, ids)
    begin, end = (tokenizer.tokens[i] for i in (tokenizer.bos_id, tokenizer.eos_id))
    return {"text": answer, "read": [begin, *labels][:steps], "written": [*labels, end][:steps]}


def check_tokens(tokens, steps):
    """Raise ValueError unless tokens are places in an answer of so many steps."""
    if tokens is not None and not all(isinstance(token, int) and 0 <= token < steps for token in tokens):
        raise ValueError(f"tokens are expected as places 0 .. {steps - 1} of the answer, got {list(tokens)}")


def sizes_of(weights):
    """The `Sizes` of the weights of an answer."""
    heads, steps, source = weights["cross"][0].shape
    return Sizes(len(weights["encoder"]), len(weights["cross"]), heads, source, steps)


def copies(cache, probabilities, source):
    """The probability that the next token is copied from a place, (1, T, S), by its kind; `cache` is a `CopyCache`."""
    return {"copy": [(cache.copied[0] * probabilities[:, source[0]])[None]]}


def candidates(probabilities, tokens):
    """The most probable tokens of each step, with their probabilities."""
    best = np.argsort(-probabilities, axis=-1, kind="stable")[:, :CANDIDATES]
    return [[[tokens[i], float(f"{row[i]:.4g}")] for i in places] for row, places in zip(probabilities, best.tolist())]


def map_of(kind, layers, places, bits):
    """One entry of ``maps``."""
    heads, rows, columns = layers[0].shape
    shape = {"layers": len(layers), "heads": heads, "rows": rows, "columns": columns}
    weights = [pack(taken(one, at), bits) for one, at in zip(layers, places)]
    there = None if places[0] is None else [pack_places(at) for at in places]
    return {"kind": kind, **shape, "causal": kind == "decoder", "weights": weights, "places": there}


def taken(rows, places):
    """The numbers (..., kept) of rows (..., S) that stand at places; all of them where places is None."""
    return rows if places is None else np.take_along_axis(rows, places, axis=-1)


def packed_gradients(twin, source, read, written, weights, places, budget):
    """Yield the entries of ``gradients``: of the whole answer, then of single tokens."""
    choices = [None, *budget.tokens]
    targets = np.full((len(choices), written.shape[1]), twin.config.pad_id)
    for row, token in enumerate(choices):
        part = slice(None) if token is None else slice(token, token + 1)
        targets[row, part] = written[0, part]
    together = max(1, TOGETHER // sizes_of(weights).weights())
    for first in range(0, len(choices), together):
        some = slice(first, first + together)
        found = gradients_of(twin, source, read, targets[some])
        for n, token in enumerate(choices[some]):
            parts = {
                kind: [pack_dweights(one[n], *of, budget.bits) for one, *of in zip(found[kind], layers, places[kind])]
                for kind, layers in weights.items()
            }
            yield {"token": token, **parts}


def pack_dweights(dweights, weights, places, bits):
    """Pack what dweights (H, T, S) differ from their mean under the weights, (H, T), and that mean."""
    means = (weights * dweights).sum(axis=-1)  # sum_s(weights * dweights)
    differences = np.where(weights > 0, dweights - means[..., None], 0)
    return pack(taken(differences, places), bits, signed=True, means=means)


def entry_of(content, kind):
    """The entry of ``maps`` of a kind."""
    kinds = {entry["kind"]: entry for entry in content["maps"]}
    if kind not in kinds:
        raise ValueError(f"one of the kinds {', '.join(kinds)} is expected, got {kind!r}")
    return kinds[kind]


def weights_of(entry, layer, bits):
    """The weights (H, T, S) of a layer of an entry of ``maps``."""
    shape = entry["heads"], entry["rows"], entry["columns"]
    if entry["places"] is None:
        return unpack(entry["weights"][layer], shape, bits)
    places = unpack_places(entry["places"][layer], (*shape[:2], -1))
    weights = np.zeros(shape)
    np.put_along_axis(weights, places.astype(int), unpack(entry["weights"][layer], places.shape, bits), axis=-1)
    return weights

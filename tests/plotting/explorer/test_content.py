"""What the page knows of an answer is what the model did."""

import json

import numpy as np
import pytest

from minisora.generation import generate
from minisora.kernels import attention_steps
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.plotting.explorer import attention_explorer, budget
from minisora.plotting.explorer.backward import attention_caches, twin_of
from minisora.plotting.explorer.content import explore, weights_of
from minisora.plotting.explorer.quantised import unpack, unpack_places

QUESTION = "天气怎么样？"


def said_by(model, tokenizer, content):
    """The ids read, and logits and cache of a forward pass over them."""
    source = tokenizer.encode(content["source"]["text"], return_tensors="np")
    ids = [1, *(tokenizer.encode(content["target"]["text"]))][: len(content["target"]["read"])]
    return (np.array([ids]), *model.forward(source, np.array([ids])))


def test_labels_and_probabilities(every_kind):
    model, tokenizer = every_kind
    content = explore(model, tokenizer, QUESTION, answer="样样气")
    target = content["target"]
    assert content["source"] == {"text": QUESTION, "tokens": list(QUESTION)}
    assert target["read"] == ["<s>", "样", "样", "气"] and target["written"] == ["样", "样", "气", "</s>"]
    _, logits, _ = said_by(model, tokenizer, content)
    for step, row in enumerate(logits[0]):
        p = np.exp(row) / np.exp(row).sum()
        token = tokenizer.tokens.index(target["written"][step])
        assert target["losses"][step] == pytest.approx(-np.log(p[token]), abs=1e-6)
        best = sorted(zip(-p, tokenizer.tokens), key=lambda pair: pair[0])[:5]
        assert [label for label, _ in target["candidates"][step]] == [label for _, label in best]
        assert [value for _, value in target["candidates"][step]] == pytest.approx([-p for p, _ in best], rel=1e-3)
    json.dumps(content, allow_nan=False)


def test_weights_are_those_of_generation(every_kind):
    model, tokenizer = every_kind
    content = explore(model, tokenizer, QUESTION, max_len=9)
    (one,) = generate(model, tokenizer, tokenizer, [QUESTION], max_len=9, return_attention=True)
    assert content["target"]["text"] == one.text
    for entry in content["maps"]:
        if entry["kind"] == "copy":
            continue
        expected = getattr(one.hypotheses[0].attention, entry["kind"])
        assert entry["layers"] == len(expected)
        for layer, weights in enumerate(expected):
            np.testing.assert_allclose(weights_of(entry, layer, content["bits"]), weights, rtol=0, atol=1e-5)


def test_gradients_are_those_of_backward(every_kind):
    """dweights and dscores, as the page puts them together, against attention_steps of a backward in the model."""
    model, tokenizer = every_kind
    content = explore(model, tokenizer, QUESTION, answer="样么气怎")
    assert [one["token"] for one in content["gradients"]] == [None, 0, 1, 2, 3, 4]
    read, _, _ = said_by(model, tokenizer, content)
    written = np.array([[*read[0, 1:], 2]])
    for entry in content["gradients"]:
        expected = steps_of(model, tokenizer, read, written, entry["token"])
        for kind, layers in expected.items():
            for packed, steps in zip(entry[kind], layers, strict=True):
                check_packed(packed, content["bits"], *(step[0] for step in steps[1:]))


def steps_of(model, tokenizer, read, written, token):
    """`AttentionSteps` by kind and layer, with dout made from the gradient of each attention layer's output."""
    twin, seen = twin_of(model), {}
    for layer in twin.layers_below():
        if hasattr(layer, "w_o"):
            layer.backward = noting(layer, seen)
    loss = SoftmaxCrossEntropy()
    logits, cache = twin.forward(tokenizer.encode(QUESTION, return_tensors="np"), read)
    wanted = written if token is None else np.where(np.arange(written.shape[1]) == token, written, 0)
    twin.backward(loss.backward(1.0, loss.forward(logits, wanted)[1]), cache)
    return {
        kind: [attention_steps(one.attention, seen[id(one)]) for one in caches]
        for kind, caches in attention_caches(cache).items()
    }


def noting(layer, seen):
    """The backward of an attention layer, which notes dheads = dout W_o^T of every cache."""
    backward = type(layer).backward

    def note(dout, cache):
        seen[id(cache)] = layer.split(dout @ layer.w_o.weight.data.T)
        return backward(layer, dout, cache)

    return note


def check_packed(packed, bits, weights, dweights, dscores):
    differences, means = unpack(packed, weights.shape, bits, signed=True, means=True)
    error = np.abs(dweights).max(axis=-1, keepdims=True) / 30_000 + 1e-12
    seen = weights > 0
    assert (np.abs(differences + means[..., None] - dweights)[seen] <= np.broadcast_to(error, seen.shape)[seen]).all()
    assert (np.abs(weights * differences - dscores) <= error).all()


def test_an_answer_that_was_cut_has_no_end(speaking):
    model, tokenizer = speaking()
    content = explore(model, tokenizer, QUESTION, max_len=3)
    assert len(content["target"]["written"]) == 3 and "</s>" not in content["target"]["written"]
    longest = explore(model, tokenizer, QUESTION, answer="天" * 30)["target"]
    assert len(longest["read"]) == model.config.max_len and longest["written"][-1] == "</s>"


def test_what_is_copied(speaking):
    """A row of the copy map and the vocabulary's part of the same tokens make up their probability."""
    model, tokenizer = speaking("copies")
    content = explore(model, tokenizer, "天气天", answer="天气")
    (entry,) = (one for one in content["maps"] if one["kind"] == "copy")
    assert (entry["layers"], entry["heads"], entry["rows"], entry["columns"]) == (1, 1, 3, 3)
    copied = weights_of(entry, 0, content["bits"])[0]  # (T, S)
    _, logits, cache = said_by(model, tokenizer, content)
    source = tokenizer.encode("天气天")
    p = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=-1, keepdims=True)
    generated = cache.decoder.copy.copy.generated[0]
    for token in set(source):
        places = [i for i, one in enumerate(source) if one == token]
        total = copied[:, places].sum(axis=-1) + generated[:, places[0]] * p[:, token]
        np.testing.assert_allclose(total, p[:, token], atol=1e-4)
    assert "copy" not in content["gradients"][0] and (copied.sum(axis=-1) < 1).all()


def test_without_gradients(speaking):
    content = explore(*speaking(), QUESTION, answer="天", most=0)
    assert content["gradients"] == []


def test_tokens_that_are_wanted(speaking):
    explorer = attention_explorer(*speaking(), QUESTION, answer="天气样", tokens=[2, 1])
    assert [one["token"] for one in explorer.content["gradients"]] == [None, 1, 2]


def test_rows_that_are_thinned(speaking, monkeypatch):
    """The largest weights of a row are there with their gradients, and nothing else."""
    model, tokenizer = speaking()
    whole = explore(model, tokenizer, QUESTION, answer="样么气怎")
    monkeypatch.setattr(budget, "THINNED_ABOVE", 1)
    monkeypatch.setattr(budget, "KEPT", 2)
    thinned = explore(model, tokenizer, QUESTION, answer="样么气怎")
    assert (whole["kept"], thinned["kept"]) == (None, 2)
    for full, some in zip(whole["maps"], thinned["maps"], strict=True):
        expected, found = weights_of(full, 0, 16), weights_of(some, 0, 16)
        least = np.sort(expected)[..., -2:-1]
        np.testing.assert_allclose(found, np.where(expected >= least, expected, 0), atol=1e-4)
    full, some = (one["gradients"][0]["cross"][0] for one in (whole, thinned))
    expected, means = unpack(full, (2, 5, 6), 16, signed=True, means=True)
    found, same = unpack(some, (2, 5, 2), 16, signed=True, means=True)
    places = unpack_places(thinned["maps"][2]["places"][0], (2, 5, 2)).astype(int)
    np.testing.assert_allclose(found, np.take_along_axis(expected, places, axis=-1), atol=np.abs(expected).max() / 1e4)
    np.testing.assert_array_equal(means, same)


def test_what_does_not_fit_is_said(speaking):
    model, tokenizer = speaking()
    with pytest.raises(ValueError, match=r"places 0 \.\. 1 of the answer, got \[2\]"):
        explore(model, tokenizer, QUESTION, answer="天", tokens=[2])
    with pytest.raises(ValueError, match="at most 30 tokens is expected, got 31"):
        explore(model, tokenizer, QUESTION, answer="天" * 31)
    with pytest.raises(ValueError, match="no beams, max_len beside an answer"):
        explore(model, tokenizer, QUESTION, answer="天", max_len=3, beams=2)
    with pytest.raises(ValueError, match="1 to 31 tokens is expected, got 0"):
        explore(model, tokenizer, "")
    with pytest.raises(ValueError, match="gradients=True with tokens"):
        attention_explorer(model, tokenizer, QUESTION, gradients=False, tokens=[0])


def test_two_vocabularies(speaking, tiny_model):
    """Labels of the answer come from the target's tokenizer."""
    from minisora import SoraTokenizer

    source, target = SoraTokenizer.learn(["天气"]), SoraTokenizer.learn(["晴朗雨雪"])
    model = tiny_model(source_vocab_size=source.vocab_size, target_vocab_size=target.vocab_size)
    content = explore(model, source, "天气", target_tokenizer=target, answer="雪晴")
    assert content["target"]["written"] == ["雪", "晴", "</s>"] and content["source"]["tokens"] == ["天", "气"]


@pytest.mark.parametrize("kind, panels", [("cross", 6), ("encoder", 4), ("decoder", 6), ("copy", 1)])
def test_the_figure(speaking, kind, panels):
    explorer = attention_explorer(*speaking("copies"), QUESTION, answer="天气", gradients=False)
    figure = explorer.figure(kind)
    drawn = [axes for axes in figure.axes if axes.images or axes.collections]
    assert len([axes for axes in drawn if axes.get_label() != "<colorbar>"]) == panels
    with pytest.raises(ValueError, match="one of the kinds encoder, decoder, cross, copy is expected, got 'own'"):
        explorer.figure("own")

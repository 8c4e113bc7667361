"""Every number explained: what is printed adds up, on every line, to the number that the code computes."""

import math
import re

import numpy as np
import pytest

from minisora.config import SoraConfig
from minisora.kernels import DropoutKey, attention_backward, attention_forward, attention_steps, child, keep_mask
from minisora.layers.activation import GELU, ReLU
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.copy_head import CopyHead, copy_backward, copy_forward
from minisora.layers.dropout import Dropout
from minisora.layers.embedding import TokenEmbedding
from minisora.layers.feed_forward import FeedForward
from minisora.layers.linear import Linear, TiedLinear
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.layers.normalization import LayerNorm
from minisora.layers.positional import LearnedPositions, SinusoidalPositions, sinusoidal_table
from minisora.model import Embedded
from minisora.plotting import explain

B, H, T, S, D_K, D_V = 2, 3, 7, 11, 5, 4
EXACT = 17  # digits with which a float64 is itself


def evaluate(text):
    """What a printed line comes to, by Python's own arithmetic."""
    text = re.sub(r"\(\d+ more: ([^()]*)\)", r"(\1)", text).replace("·", "*").replace("^", "**")
    functions = {name: getattr(math, name) for name in ("exp", "log", "sqrt", "erf", "tanh", "sin", "cos")}
    functions["max"] = max
    return eval(text, {"__builtins__": {}}, functions)


def place_of(step):
    """The name and index of a step."""
    name, _, index = step.place.partition("[")
    return name, tuple(int(i) for i in index.rstrip("]").split(", ")) if index else ()


def hold(explanation, arrays):
    """Every line of an explanation adds up to the number in the arrays that the code computed."""
    for step in explanation.steps:
        name, index = place_of(step)
        expected = arrays[name][index]
        if step.numbers:
            np.testing.assert_allclose(evaluate(step.numbers), expected, rtol=1e-12, atol=1e-13, err_msg=str(step))
        np.testing.assert_allclose(float(step.value), expected, rtol=1e-12, atol=1e-13, err_msg=str(step))
    assert place_of(explanation.steps[0]) == (explanation.name, explanation.index)
    assert float(explanation) == explanation.value == float(explanation.steps[0].value)


def some(array, rng, count=3):
    """A few places of an array."""
    return [tuple(int(rng.integers(n)) for n in array.shape) for _ in range(count)]


def hold_all(cache, arrays, names, rng, **options):
    """A few numbers of each name."""
    for name in names:
        for index in some(arrays[name], rng):
            hold(explain(cache, name, index, digits=EXACT, **options), arrays)


def attention_case(rng, **options):
    """A cache, dout, and every array by name; the second sequence sees three keys, and the first queries none."""
    q, k, v = (rng.normal(size=(B, H, length, width)) for length, width in ((T, D_K), (S, D_K), (S, D_V)))
    out, cache = attention_forward(q, k, v, **options)
    dout = rng.normal(size=out.shape)
    arrays = {"q": q, "k": k, "v": v, "out": out, "dout": dout, **attention_steps(cache, dout)._asdict()}
    arrays |= dict(zip(("dq", "dk", "dv"), attention_backward(dout, cache), strict=True))
    if cache.dropout is not None:
        p, key = cache.dropout
        arrays["dropped"] = arrays["weights"] * keep_mask(p, key, arrays["weights"].shape, np) / (1 - p)
        arrays["ddropped"] = dout @ v.swapaxes(-1, -2)
    return cache, dout, arrays


MASK = np.array([[True] * S, [False] * 5 + [True] * 3 + [False] * 3])
CASES = {
    "plain": {},
    "masked": {"key_mask": MASK},
    "causal": {"key_mask": MASK, "causal": True},  # query 0 of sequence 1 sees no key
    "scaled, dropped": {"scale": 0.3, "dropout": (0.4, DropoutKey(7))},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_every_step_of_attention_adds_up(options, rng):
    cache, dout, arrays = attention_case(rng, **options)
    hold_all(cache, arrays, arrays, rng, dout=dout)


def test_hidden_numbers_and_rows_that_see_nothing_say_why(rng):
    cache, dout, arrays = attention_case(rng, key_mask=MASK & False, causal=True)
    hold_all(cache, arrays, arrays, rng, dout=dout)
    said = {name: str(explain(cache, name, (1, 2, 0, 3), dout=dout)) for name in arrays}
    assert said["scores"] == "scores[1, 2, 0, 3] = -inf: key 3 is hidden, since key_mask[1, 3] is False"
    assert said["dscores"] == "dscores[1, 2, 0, 3] = 0: key 3 is hidden, since key_mask[1, 3] is False"
    assert said["out"] == "out[1, 2, 0, 3] = 0: query 0 sees no key"
    assert said["dq"] == "dq[1, 2, 0, 3] = 0: query 0 sees no key"
    assert said["dk"] == "dk[1, 2, 0, 3] = 0: no query sees key 0" == said["dv"].replace("dv", "dk")
    cache, _, _ = attention_case(rng, causal=True)
    assert str(explain(cache, "weights", (0, 0, 2, 9))) == (
        "weights[0, 0, 2, 9] = 0: key 9 is later than all that query 2 sees: s <= t + (S - T) = 6"
    )


def test_the_text_of_an_explanation_by_hand():
    q, k, v = (np.array(rows, float)[None, None] for rows in ([[1, 2]], [[3, 0.5], [1, -1]], [[2, 0], [1, 4]]))
    _, cache = attention_forward(q, k, v, scale=0.5)
    explanation = explain(cache, "dscores", (0, 0, 0, 1), dout=np.array([[[[1.0, 0.5]]]]))
    assert (
        str(explanation)
        == """\
dscores[0, 0, 0, 1]
  = weights[0, 0, 0, 1] · (dweights[0, 0, 0, 1] - Σ_s weights[0, 0, 0, s] · dweights[0, 0, 0, s])
  = 0.07586 · (3 - (0.9241 · 2 + 0.07586 · 3))
  = 0.0701
    weights[0, 0, 0, 1]
      = exp(scores[0, 0, 0, 1] - m) / Σ_s exp(scores[0, 0, 0, s] - m), m = 2 the largest score that the query sees
      = exp(-2.5) / (exp(0) + exp(-2.5))
      = 0.07586
        scores[0, 0, 0, 1]
          = scale · Σ_i q[0, 0, 0, i] · k[0, 0, 1, i]
          = 0.5 · (1 · 1 + 2 · (-1))
          = -0.5
    dweights[0, 0, 0, 1]
      = Σ_j dout[0, 0, 0, j] · v[0, 0, 1, j]
      = 1 · 1 + 0.5 · 4
      = 3"""
    )
    assert repr(explanation) == str(explanation)
    assert len(explain(cache, "weights", (0, 0, 0, 1), depth=0).steps) == 1
    assert str(explain(cache, "q", (0, 0, 0, 1))) == "q[0, 0, 0, 1] = 2: given"


def test_long_sums_are_shortened_and_still_add_up(rng):
    cache, dout, arrays = attention_case(rng)
    index = (1, 2, 3, 4)
    line = explain(cache, "dk", index, dout=dout, terms=2, depth=0, digits=EXACT).steps[0].numbers
    assert "(5 more: " in line and line.count("·") == 3  # T = 7 terms: scale, and the two shown
    np.testing.assert_allclose(evaluate(line), arrays["dk"][index], rtol=1e-12)
    full = explain(cache, "dk", index, dout=dout, terms=T - 1, depth=0).steps[0].numbers
    assert "more" not in full and full.count("·") == 8  # never "1 more"
    products = arrays["dscores"][1, 2, :, 3] * arrays["q"][1, 2, :, 4]
    largest = np.abs(products).argmax()
    below = explain(cache, "dk", (1, 2, 3, 4), dout=dout).steps[1]
    assert below.place == f"dscores[1, 2, {largest}, 3]" and below.of_largest and "of the largest term" in str(below)


def test_with_few_digits_a_line_adds_up_as_well_as_its_digits_allow(rng):
    cache, dout, arrays = attention_case(rng)
    for digits in (3, 4, 6):
        for name in ("scores", "weights", "out", "dweights", "dscores", "dq", "dk", "dv"):
            for index in some(arrays[name], rng):
                step = explain(cache, name, index, dout=dout, digits=digits, depth=0).steps[0]
                assert abs(evaluate(step.numbers) - float(step.value)) < 40 * 10.0**-digits, step


def multi_head_case(rng, cross, bias=True):
    """A layer, its cache, dout, and every array by name."""
    layer = MultiHeadAttention(6, 2, rng, bias=bias, dtype=np.float64)
    for _, parameter in layer.parameters():
        parameter.data[...] = rng.normal(size=parameter.data.shape)
    x, memory = rng.normal(size=(B, T, 6)), rng.normal(size=(B, S, 6)) if cross else None
    mask = np.arange(S if cross else T) < np.array([[3], [5]])
    out, cache = layer.forward(x, memory, key_mask=mask, causal=not cross)
    dout = rng.normal(size=out.shape)
    back = layer.backward(dout, cache)
    dheads = layer.split(dout @ layer.w_o.weight.data.T)
    attention = cache.attention
    arrays = {"x": x, "q": attention.q, "k": attention.k, "v": attention.v, "heads": attention.out, "out": out}
    arrays |= {"dout": dout, "dheads": dheads, **attention_steps(attention, dheads)._asdict()}
    arrays |= dict(zip(("dq", "dk", "dv"), attention_backward(dheads, attention), strict=True))
    arrays |= {"memory": memory, "dx": back[0], "dmemory": back[1]} if cross else {"dx": back}
    for name, parameter in layer.parameters():
        short = name.replace("w_", "W_").replace("W_", "b_" if "bias" in name else "W_").split(".")[0]
        arrays |= {short: parameter.data, f"d{short}": parameter.grad}
    return layer, cache, dout, arrays


@pytest.mark.parametrize("cross, bias", [(True, True), (False, True), (True, False)])
def test_every_step_of_multi_head_attention_adds_up(cross, bias, rng):
    layer, cache, dout, arrays = multi_head_case(rng, cross, bias)
    hold_all(cache, arrays, arrays, rng, layer=layer, dout=dout)


def test_an_explanation_of_a_layer_goes_down_to_its_inputs(rng):
    layer, cache, dout, _ = multi_head_case(rng, cross=True)
    explanation = explain(cache, "dmemory", (1, 2, 3), layer=layer, dout=dout)
    assert explanation.steps[0].formula == (
        "Σ_(h, i) dk[1, h, 2, i] · W_k[3, h·d_k + i] + Σ_(h, i) dv[1, h, 2, i] · W_v[3, h·d_k + i]"
    )
    worked_out = {place_of(step)[0]: step.formula for step in explanation.steps}
    assert worked_out.keys() == {"dmemory", *"dk dv dscores weights scores q k v dweights dheads".split()}
    assert "x[1, " in worked_out["q"] and "memory[1, " in worked_out["k"] and "dout[1, " in worked_out["dheads"]


def test_without_the_layer_its_projections_are_given(rng):
    _, cache, _, arrays = multi_head_case(rng, cross=True)
    hold_all(cache, arrays, ("scores", "weights", "heads", "q"), rng)
    with pytest.raises(ValueError, match=r"a name is expected of x, memory, q, .*, got 'out' without dout="):
        explain(cache, "out", (0, 0, 0))
    with pytest.raises(ValueError, match=r"layer is expected beside dout, .* got None"):
        explain(cache, "dscores", (0, 0, 0, 0), dout=arrays["dout"])


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias, rng):
    layer = Linear(5, 3, rng, bias=bias, dtype=np.float64)
    x, dout = rng.normal(size=(2, 7, 5)), rng.normal(size=(2, 7, 3))
    if bias:
        layer.bias.data += rng.normal(size=3)
    out, cache = layer.forward(x)
    arrays = {"x": x, "W": layer.weight.data, "out": out, "dout": dout, "dx": layer.backward(dout, cache)}
    arrays |= {"dW": layer.weight.grad} | ({"b": layer.bias.data, "db": layer.bias.grad} if bias else {})
    hold_all(cache, arrays, arrays, rng, layer=layer, dout=dout)


def test_tied_linear(rng):
    embedding = Linear(5, 3, rng, dtype=np.float64).weight  # any Parameter (V, D)
    layer, x, dout = TiedLinear(embedding), rng.normal(size=(7, 3)), rng.normal(size=(7, 5))
    out, cache = layer.forward(x)
    arrays = {"x": x, "W": embedding.data.T, "out": out, "dout": dout, "dx": layer.backward(dout, cache)}
    hold_all(cache, arrays | {"dW": embedding.grad.T}, [*arrays, "dW"], rng, layer=layer, dout=dout)


def test_layer_norm(rng):
    layer = LayerNorm(5, eps=0.1, dtype=np.float64)
    layer.gamma.data[...], layer.beta.data[...] = rng.normal(size=(2, 5))
    x, dout = rng.normal(size=(2, 2, 7, 5))
    out, cache = layer.forward(x)
    arrays = {"x": x, "mean": x.mean(axis=-1, keepdims=True), "rstd": cache.rstd, "normalized": cache.normalized}
    arrays |= {"gamma": layer.gamma.data, "beta": layer.beta.data, "out": out, "dout": dout}
    arrays |= {"dnormalized": dout * layer.gamma.data, "dx": layer.backward(dout, cache)}
    arrays |= {"dgamma": layer.gamma.grad, "dbeta": layer.beta.grad}
    hold_all(cache, arrays, arrays, rng, layer=layer, dout=dout, x=x)
    assert str(explain(cache, "normalized", (0, 0, 0), layer=layer)).endswith(": given")


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy(smoothing, rng):
    layer = SoftmaxCrossEntropy(pad_id=0, label_smoothing=smoothing)
    logits, targets = rng.normal(size=(2, 7, 5)), rng.integers(0, 5, (2, 7))
    (total, count), cache = layer.forward(logits, targets)
    exps = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = exps / exps.sum(axis=-1, keepdims=True)
    q = (1 - smoothing) * np.eye(5)[targets] + smoothing / 5
    losses = np.where(targets == 0, 0, -(q * np.log(probabilities)).sum(axis=-1))
    arrays = {"logits": logits, "exps": exps, "probabilities": probabilities, "losses": losses}
    arrays |= {"total": np.array(total), "dlogits": layer.backward(1 / count, cache)}
    hold_all(cache, arrays, arrays, rng, layer=layer, dout=1 / count, x=logits)
    (_, _), cache = layer.forward(logits, targets * 0)
    assert str(explain(cache, "total", layer=layer)) == "total = 0: every target is padding"
    assert str(explain(cache, "losses", (1, 2), layer=layer)) == "losses[1, 2] = 0: the target is padding"
    assert str(explain(cache, "dlogits", (1, 2, 3), layer=layer, dout=1)) == (
        "dlogits[1, 2, 3] = 0: the target is padding"
    )


def test_a_target_of_probability_0_costs_infinitely_much(rng):
    layer = SoftmaxCrossEntropy(pad_id=0)
    _, cache = layer.forward(np.array([[0.0, 0.0, 2000.0]]), np.array([1]))
    assert explain(cache, "losses", 0, layer=layer).value == math.inf


SOURCE_IDS = np.array([[3, 5, 3, 8, 1, 5, 3], [4, 9, 4, 12, 12, 7, 9]])  # (B, 7), of a vocabulary of 13
VISIBLE = np.array([[True] * 7, [True, True, True, False, False, True, False]])  # 12 stands at hidden places alone


def copy_arrays(logits, scores, dout, out, copy, visible=VISIBLE):
    """Every array of copying by name, each made by what it is."""
    hidden = ~visible[:, None] & np.ones(scores.shape, bool)
    largest = np.ma.masked_array(scores, hidden).max(axis=-1, keepdims=True).filled(0)
    exps = np.where(hidden, 0, np.exp(scores - largest))
    totals = np.einsum("btr,brs->bts", exps, (SOURCE_IDS[:, :, None] == SOURCE_IDS[:, None, :]).astype(float))
    dlogits, dscores = copy_backward(dout, copy)
    arrays = {"source_ids": SOURCE_IDS, "logits": logits, "scores": scores, "exps": exps, "totals": totals, "out": out}
    arrays |= {"generated": copy.generated, "copied": copy.copied, "dout": dout}
    return arrays | {"dlogits": dlogits, "dscores": dscores}


@pytest.mark.parametrize("visible", [None, VISIBLE, VISIBLE & [[True], [False]]], ids=["all", "some", "none"])
def test_every_step_of_copying_adds_up(visible, rng):
    logits, scores, dout = rng.normal(size=(2, 5, 13)), 3 * rng.normal(size=(2, 5, 7)), rng.normal(size=(2, 5, 13))
    out, cache = copy_forward(logits, scores, SOURCE_IDS, visible)
    arrays = copy_arrays(logits, scores, dout, out, cache, VISIBLE | True if visible is None else visible)
    options = {"dout": dout, "x": logits, "scores": scores, "visible": visible}
    hold_all(cache, arrays, arrays, rng, **options)
    for name in ("out", "dlogits"):  # every token: not of the source, hidden, and copied
        for token in range(13):
            hold(explain(cache, name, (1, 3, token), digits=EXACT, **options), arrays)


def test_what_cannot_be_copied_says_why(rng):
    logits, scores = rng.normal(size=(2, 5, 13)), rng.normal(size=(2, 5, 7))
    _, cache = copy_forward(logits, scores, SOURCE_IDS, VISIBLE)
    said = {"x": logits, "scores": scores, "visible": VISIBLE, "dout": logits, "digits": 3, "depth": 0}
    hidden = "0: place 3 is hidden, since visible[1, 3] is False"
    assert str(explain(cache, "copied", (1, 0, 3), **said)) == f"copied[1, 0, 3] = {hidden}"
    assert str(explain(cache, "exps", (1, 0, 3), **said)) == f"exps[1, 0, 3] = {hidden}"
    assert str(explain(cache, "totals", (1, 0, 3), **said)) == (
        "totals[1, 0, 3] = 0: token 12, of place 3, stands at no visible place"
    )
    assert "logits[1, 0, 12], since token 12 stands at no visible place" in str(
        explain(cache, "out", (1, 0, 12), **said)
    )
    assert "dout[1, 0, 0], since token 0 is not in the source" in str(explain(cache, "dlogits", (1, 0, 0), **said))
    scores[0, 0] = [0, -2000, 1, -1, 2, -3000, 0]  # both places of token 5 count for nothing
    _, cache = copy_forward(logits, scores, SOURCE_IDS, VISIBLE)
    for name, index in (("out", (0, 0, 5)), ("copied", (0, 0, 1))):
        assert "the scores of token 5 are too small beside the largest" in str(explain(cache, name, index, **said))


@pytest.mark.parametrize("shift", [-900, 900])
def test_a_logit_far_from_the_scores_is_no_overflow(shift, rng):
    logits, scores = rng.normal(size=(2, 5, 13)) + shift, rng.normal(size=(2, 5, 7))
    out, cache = copy_forward(logits, scores, SOURCE_IDS)
    arrays = copy_arrays(logits, scores, logits, out, cache, VISIBLE | True)
    names = ("out", "generated", "copied", "totals")
    hold_all(cache, arrays, names, rng, dout=logits, x=logits, scores=scores)


def test_copying_without_its_inputs_begins_with_what_the_cache_keeps(rng):
    logits, scores, dout = rng.normal(size=(2, 5, 13)), rng.normal(size=(2, 5, 7)), rng.normal(size=(2, 5, 13))
    out, cache = copy_forward(logits, scores, SOURCE_IDS, VISIBLE)
    arrays = copy_arrays(logits, scores, dout, out, cache)
    hold_all(cache, arrays, ("generated", "copied", "dlogits", "dscores"), rng, dout=dout)
    assert str(explain(cache, "copied", (0, 0, 0))).endswith(": given")
    everything = {"x": logits, "scores": scores, "visible": VISIBLE}
    for options, message in [
        ({}, "got 'out' without dout=, .* need, and without x= and scores=, which the cache does not keep"),
        ({"dout": dout, "x": logits}, "got 'out' without scores=, which the cache does not keep"),
        ({"x": logits, "scores": scores}, "those that the cache was made of"),  # without the mask
        (everything | {"scores": scores + 1}, "those that the cache was made of"),
        (everything | {"x": logits[:, :, :12]}, r"x is expected as an array .* \(2, 5, 13 or more\), got \(2, 5, 12\)"),
        (everything | {"scores": scores[0]}, r"scores is expected as an array \(2, 5, 7\), got \(5, 7\)"),
        (everything | {"visible": VISIBLE[0]}, r"visible is expected as an array \(2, 7\), got \(7,\)"),
        (everything | {"dout": dout[0]}, r"dout is expected as an array \(B, T, V\) = .* got \(5, 13\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            explain(cache, "out", (0, 0, 0), **options)


def copy_head_case(rng):
    """A layer, its cache, and every array by name."""
    layer = CopyHead(3, rng, dtype=np.float64)
    logits, x, memory = rng.normal(size=(2, 5, 13)), rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 7, 3))
    out, cache = layer.forward(logits, x, memory, SOURCE_IDS, memory_mask=VISIBLE)
    dout = rng.normal(size=out.shape)
    _, dx, dmemory, _ = layer.backward(dout, cache)
    scores = np.einsum("btd,bsd->bts", cache.q, cache.k) / 3**0.5
    arrays = copy_arrays(logits, scores, dout, out, cache.copy)
    dscores = arrays["dscores"] / 3**0.5
    arrays |= {"x": x, "memory": memory, "q": cache.q, "k": cache.k, "dx": dx, "dmemory": dmemory}
    arrays |= {"dq": np.einsum("bts,bsd->btd", dscores, cache.k), "dk": np.einsum("bts,btd->bsd", dscores, cache.q)}
    for letter, linear in (("q", layer.w_q), ("k", layer.w_k)):
        arrays |= {f"W_{letter}": linear.weight.data, f"dW_{letter}": linear.weight.grad}
    return layer, cache, arrays


def test_every_step_of_the_copy_head_adds_up(rng):
    layer, cache, arrays = copy_head_case(rng)
    options = {"layer": layer, "dout": arrays["dout"]}
    hold_all(cache, arrays, arrays, rng, x=arrays["logits"], visible=VISIBLE, **options)
    backward = {name: arrays[name] for name in arrays if name not in ("logits", "exps", "totals", "out")}
    hold_all(cache, backward, backward, rng, **options)  # the logits are not needed for it
    explanation = explain(cache, "dmemory", (0, 2, 1), x=arrays["logits"], visible=VISIBLE, **options)
    assert {place_of(step)[0] for step in explanation.steps} == set(
        "dmemory dk dscores copied scores out totals exps q k".split()
    )
    for wrong, message in [
        ({"layer": None}, "the CopyHead that made the cache, got NoneType"),
        ({"layer": layer, "scores": arrays["scores"]}, "scores is expected beside CopyCache alone"),
        ({"layer": layer, "dout": arrays["dout"]}, "got 'out' without x=, which the cache does not keep"),
    ]:
        with pytest.raises(ValueError, match=message):
            explain(cache, "out", (0, 0, 0), **wrong)


def feed_forward_case(activation, key, rng):
    """A layer, its cache, and every array by name."""
    layer = FeedForward(3, 5, rng, activation=activation, dropout=0.4, dtype=np.float64)
    for _, parameter in layer.parameters():
        parameter.data[...] = rng.normal(size=parameter.data.shape)
    x, dout = rng.normal(size=(2, 7, 3)), rng.normal(size=(2, 7, 3))
    out, cache = layer.forward(x, key=key)
    dx = layer.backward(dout, cache)
    hidden = cache.activation.x
    active, dkept = layer.activation(hidden), dout @ layer.w_2.weight.data.T
    dactive = layer.dropout.backward(dkept, cache.dropout)
    dhidden = layer.activation.backward(dactive, cache.activation)
    arrays = {"x": x, "hidden": hidden, "active": active, "kept": cache.w_2.x, "out": out, "dout": dout}
    arrays |= {"dkept": dkept, "dactive": dactive, "dhidden": dhidden, "dx": dx}
    if key is not None:
        arrays["keep_mask"] = keep_mask(0.4, child(key, "dropout"), hidden.shape, np)
    for number, linear in ((1, layer.w_1), (2, layer.w_2)):
        arrays |= {f"W_{number}": linear.weight.data, f"dW_{number}": linear.weight.grad}
        arrays |= {f"b_{number}": linear.bias.data, f"db_{number}": linear.bias.grad}
    return layer, cache, arrays | gelu_arrays(hidden)


def gelu_arrays(x):
    """What is between x and out, or between dout and dx, of a GELU."""
    root = (2 / np.pi) ** 0.5
    return {
        "density": np.exp(-(x**2) / 2) / (2 * np.pi) ** 0.5,
        "inner_tanh": np.tanh(root * (x + 0.044715 * x**3)),
        "dinner": root * (1 + 3 * 0.044715 * x**2),
    }


BETWEEN = {"relu": set(), "gelu": {"density"}, "gelu_tanh": {"inner_tanh", "dinner"}}


@pytest.mark.parametrize("key", [None, DropoutKey(7)], ids=["kept", "dropped"])
@pytest.mark.parametrize("activation", BETWEEN)
def test_every_step_of_a_feed_forward_layer_adds_up(activation, key, rng):
    layer, cache, arrays = feed_forward_case(activation, key, rng)
    others = set().union(*BETWEEN.values()) - BETWEEN[activation]
    names = [name for name in arrays if name not in others]
    hold_all(cache, arrays, names, rng, layer=layer, dout=arrays["dout"])
    worked_out = {place_of(step)[0] for step in explain(cache, "out", (1, 2, 0), layer=layer).steps}
    assert worked_out == {"out", "kept", "active", "hidden"} | (BETWEEN[activation] & {"inner_tanh"})
    with pytest.raises(ValueError, match=f"of x, .*, got '{sorted(others)[0]}'$"):
        explain(cache, sorted(others)[0], (0, 0, 0), layer=layer, dout=arrays["dout"])


@pytest.mark.parametrize("layer, name", [(ReLU(), "relu"), (GELU(), "gelu"), (GELU("tanh"), "gelu_tanh")])
def test_activations_by_themselves(layer, name, rng):
    x, dout = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    out, cache = layer.forward(x)
    arrays = {"x": x, "out": out, "dout": dout, "dx": layer.backward(dout, cache)}
    hold_all(cache, arrays | gelu_arrays(x), [*arrays, *BETWEEN[name]], rng, layer=layer, dout=dout)


def test_a_relu_lets_nothing_back_where_it_let_nothing_through():
    _, cache = ReLU().forward(np.array([-0.5, 0.0, 2.0]))
    options = {"layer": ReLU(), "dout": np.array([3.0, 4.0, 5.0])}
    assert str(explain(cache, "dx", 0, **options)) == "dx[0] = 0: x[0] = -0.5 is not above 0"
    assert str(explain(cache, "dx", 1, **options)) == "dx[1] = 0: x[1] = 0 is not above 0"
    assert str(explain(cache, "dx", 2, **options)) == "dx[2]\n  = dout[2], since x[2] = 2 is above 0\n  = 5"
    assert str(explain(cache, "out", 0, layer=ReLU())) == "out[0]\n  = max(x[0], 0)\n  = max(-0.5, 0)\n  = 0"


def test_dropout(rng):
    layer, x, dout = Dropout(0.4), rng.normal(size=(3, 7, 5)), rng.normal(size=(3, 7, 5))
    for key in (DropoutKey(3), None):
        out, cache = layer.forward(x, key=key)
        arrays = {"x": x, "out": out, "dout": dout, "dx": layer.backward(dout, cache)}
        hold_all(cache, arrays, arrays, rng, layer=layer, x=x, dout=dout)
        hold_all(cache, arrays, ("dx",), rng, layer=layer, dout=dout)
        said = "since nothing is dropped" if key is None else "· keep_mask[0, 0, 0] / (1 - p)"
        assert said in str(explain(cache, "out", (0, 0, 0), layer=layer, x=x))
        with pytest.raises(ValueError, match=r"got 'out' without x=, which the cache does not keep"):
            explain(cache, "out", (0, 0, 0), layer=layer, dout=dout)


IDS = np.array([[3, 1, 3, 0, 7], [2, 3, 2, 0, 0]])  # two sequences of five tokens


def test_token_embedding(rng):
    layer = TokenEmbedding(11, 3, rng, dtype=np.float64)
    out, cache = layer.forward(IDS)
    dout = rng.normal(size=out.shape)
    layer.backward(dout, cache)
    arrays = {"ids": IDS, "table": layer.table.data, "out": out, "dout": dout, "dtable": layer.table.grad}
    hold_all(cache, arrays, arrays, rng, layer=layer, dout=dout)
    for token in range(11):
        hold(explain(cache, "dtable", (token, 2), layer=layer, dout=dout, digits=EXACT), arrays)
    assert str(explain(cache, "dtable", (5, 2), layer=layer, dout=dout)) == "dtable[5, 2] = 0: 5 is none of the ids"
    line = explain(cache, "dtable", (3, 1), layer=layer, dout=dout, depth=0).steps[0]
    assert line.formula == "scale · Σ_b, t dout[b, t, 1], over the places of id 3" and line.numbers.count("·") == 1
    assert explain(cache, "out", (1, 2, 0), layer=layer).steps[0].formula == "scale · table[2, 0], 2 = ids[1, 2]"


@pytest.mark.parametrize("learned", [False, True])
def test_positions(learned, rng):
    layer = LearnedPositions(11, 5, rng, dtype=np.float64) if learned else SinusoidalPositions(5)
    x, dout = rng.normal(size=(2, 7, 5)), rng.normal(size=(2, 7, 5))
    out, cache = layer.forward(x, offset=3)
    arrays = {"x": x, "out": out, "dout": dout, "dx": layer.backward(dout, cache)}
    if learned:
        arrays |= {"table": layer.table.data, "dtable": layer.table.grad}
        told = str(explain(cache, "dtable", (2, 1), layer=layer, dout=dout))
        assert told == "dtable[2, 1] = 0: no vector stands at position 2"
    else:
        arrays["table"] = sinusoidal_table(10, 5)
        told = str(explain(cache, "table", (7, 3), layer=layer, x=x))
        assert "= cos(position / 10000^(2i / D)), position = 7, i = 1\n  = cos(7 / 10000^(2 / 5))\n" in told
    hold_all(cache, arrays, arrays, rng, layer=layer, dout=dout, x=x)
    hold_all(cache, arrays, ("dx", "dtable") if learned else ("dx", "table"), rng, layer=layer, dout=dout)
    out, cache = layer.forward(x[0])
    arrays = {"x": x[0], "table": sinusoidal_table(7, 5), "out": out, "dout": dout[0], "dx": dout[0]}
    if learned:
        layer.zero_grad()
        layer.backward(dout[0], cache)
        arrays |= {"table": layer.table.data, "dtable": layer.table.grad}
    hold_all(cache, arrays, arrays, rng, layer=layer, dout=dout[0], x=x[0])


@pytest.mark.parametrize("key", [None, DropoutKey(5)], ids=["kept", "dropped"])
@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_every_step_of_what_a_model_begins_with_adds_up(kind, key, rng):
    config = SoraConfig(
        source_vocab_size=11, target_vocab_size=11, d_model=6, num_heads=2, max_len=7, positions=kind, dropout=0.4
    )
    layer = Embedded(config, 11, rng, dtype=np.float64)
    out, cache = layer.forward(IDS, key=key, offset=2)
    dout = rng.normal(size=out.shape)
    layer.backward(dout, cache)
    table, dplaced = layer.embedding.table, layer.dropout.backward(dout, cache.dropout)
    vectors = table.data[IDS] * 6**0.5
    arrays = {"ids": IDS, "table": table.data, "vectors": vectors, "placed": layer.positions(vectors, offset=2)}
    arrays |= {"out": out, "dout": dout, "dplaced": dplaced, "dvectors": dplaced, "dtable": table.grad}
    learned = kind == "learned"
    arrays["positions"] = layer.positions.table.data if learned else sinusoidal_table(7, 6)
    arrays |= {"dpositions": layer.positions.table.grad} if learned else {}
    hold_all(cache, arrays, arrays, rng, layer=layer, dout=dout)
    steps = {place_of(step)[0] for step in explain(cache, "out", (1, 3, 2), layer=layer).steps}
    assert steps == {"out", "placed", "vectors"} | (set() if learned else {"positions"})


def test_layers_and_inputs_of_other_caches_that_do_not_fit(rng):
    class Steep(ReLU):
        pass

    x, ids = rng.normal(size=(2, 7, 5)), np.array([1, 2])
    feed_forward, own = FeedForward(5, 3, rng), FeedForward(5, 3, rng, activation=Steep())
    embedding, positions = TokenEmbedding(11, 5, rng), LearnedPositions(7, 5, rng)
    fed, activated, dropped = feed_forward.forward(x)[1], ReLU().forward(x)[1], Dropout(0.1).forward(x)[1]
    placed, embedded = positions.forward(x)[1], embedding.forward(ids)[1]
    config = SoraConfig(source_vocab_size=11, target_vocab_size=11, d_model=6, num_heads=2)
    begun = Embedded(config, 11, rng).forward(IDS)[1]
    for cache, options, message in [
        (fed, {}, "the FeedForward that made the cache, got NoneType"),
        (fed, {"layer": own}, "a ReLU or GELU is expected as the activation, got Steep"),
        (fed, {"layer": feed_forward, "dout": x[0]}, r"dout is expected as an array \(2, 7, 5\), got \(7, 5\)"),
        (activated, {"layer": feed_forward}, "a ReLU or GELU is expected as the activation, got FeedForward"),
        (activated, {"layer": ReLU(), "dout": x[0]}, r"dout is expected as an array \(2, 7, 5\), got \(7, 5\)"),
        (dropped, {"layer": ReLU(), "x": x}, "the Dropout that made the cache, got ReLU"),
        (dropped, {"layer": Dropout(0.1)}, "x or dout is expected, since the cache of a Dropout keeps no array"),
        (dropped, {"layer": Dropout(0.1), "x": x, "dout": x[0]}, r"dout is expected as an array \(2, 7, 5\)"),
        (embedded, {}, "the TokenEmbedding that made the cache, got NoneType"),
        (embedded, {"layer": embedding, "dout": x}, r"dout is expected as an array \(2, 5\), got \(2, 7, 5\)"),
        (placed, {"layer": embedding, "x": x}, "the SinusoidalPositions or LearnedPositions that made the cache, got"),
        (placed, {"layer": positions}, "x or dout is expected, since the cache of positions keeps no array"),
        (placed, {"layer": positions, "x": x[..., :3]}, r"\(..., T, D\) with D = 5, got \(2, 7, 3\)"),
        (placed, {"layer": positions, "x": x[0, 0]}, r"\(..., T, D\) with D = 5, got \(5,\)"),
        (placed, {"layer": positions, "x": x.reshape(14, 5)}, "at most 7 positions are expected, .* position 14"),
        (begun, {"layer": embedding}, "the Embedded that made the cache, got TokenEmbedding"),
    ]:
        with pytest.raises(ValueError, match=message):
            explain(cache, "out", (0, 0, 0), **options)


def test_float32_is_worked_out_from_the_numbers_that_are_there(rng):
    q, k, v = (rng.normal(size=(1, 1, n, 3)).astype(np.float32) for n in (2, 5, 5))
    _, cache = attention_forward(q, k, v)
    explanation = explain(cache, "weights", (0, 0, 1, 2))
    np.testing.assert_allclose(explanation.value, attention_steps(cache).weights[0, 0, 1, 2], rtol=1e-6)


@pytest.mark.parametrize(
    "name, index, options, message",
    [
        ("score", (0, 0, 0, 0), {}, "a name is expected of q, k, v, scores, weights, out, got 'score' without dout="),
        ("dscores", (0, 0, 0, 0), {}, "got 'dscores' without dout=, which the gradients need"),
        (
            "scores",
            (0, 0, 0),
            {},
            r"an index of scores is expected within \(B, H, T, S\) = \(2, 3, 7, 11\), got \(0, 0, 0\)",
        ),
        ("scores", (0, 0, 7, 0), {}, r"got \(0, 0, 7, 0\)"),
        ("scores", (0, 0, 0.5, 0), {}, r"got \(0\.0, 0\.0, 0\.5, 0\.0\)"),
        ("scores", 3, {}, "got 3"),
        ("scores", (0, 0, 0, 0), {"digits": 0}, "digits is expected as an integer of at least 1, got 0"),
        ("scores", (0, 0, 0, 0), {"terms": True}, "terms is expected as an integer of at least 1, got True"),
        ("scores", (0, 0, 0, 0), {"depth": -1}, "depth is expected as an integer of at least 0, or None, got -1"),
        (
            "scores",
            (0, 0, 0, 0),
            {"x": np.ones(3)},
            "x is expected beside LayerNormCache, .* got one beside AttentionCache",
        ),
        ("scores", (0, 0, 0, 0), {"scores": np.ones(3)}, "scores is expected beside CopyCache alone"),
        ("scores", (0, 0, 0, 0), {"visible": np.ones(3)}, "visible is expected beside CopyCache, CopyHeadCache alone"),
        ("scores", (0, 0, 0, 0), {"dout": np.ones(3)}, r"expects dout .* got \(3,\)"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(name, index, options, message, rng):
    cache, _, _ = attention_case(rng)
    with pytest.raises(ValueError, match=message):
        explain(cache, name, index, **options)


def test_negative_places_count_from_the_end(rng):
    cache, _, _ = attention_case(rng)
    assert explain(cache, "scores", (-1, -1, -1, -1)).index == (1, 2, 6, 10)
    assert explain(cache, "scores", np.array([1, 2, 6, 10])).index == (1, 2, 6, 10)


def test_layers_and_inputs_that_do_not_fit(rng):
    x = rng.normal(size=(2, 5))
    norm, linear, loss = LayerNorm(5, dtype=np.float64), Linear(5, 3, rng, dtype=np.float64), SoftmaxCrossEntropy()
    norm_cache, linear_cache = norm.forward(x)[1], linear.forward(x)[1]
    loss_cache = loss.forward(x, np.array([1, 2]))[1]
    for cache, options, message in [
        (norm_cache, {}, "the LayerNorm that made the cache, got NoneType"),
        (norm_cache, {"layer": norm, "x": x[0]}, r"x is expected as an array \(2, 5\), got \(5,\)"),
        (linear_cache, {"layer": norm}, "the Linear or TiedLinear that made the cache, got LayerNorm"),
        (linear_cache, {"layer": linear, "dout": x}, r"dout is expected as an array \(2, 3\), got \(2, 5\)"),
        (loss_cache, {}, "the SoftmaxCrossEntropy that made the cache, got NoneType"),
        (loss_cache, {"layer": loss, "x": x[0]}, r"the logits \(..., V\) = \(2, 5\), got \(5,\)"),
        (loss_cache, {"layer": loss, "dout": x}, r"dout is expected as a number, .* got an array \(2, 5\)"),
        (x, {}, "a cache of attention, .* got ndarray"),
    ]:
        with pytest.raises(ValueError, match=message):
            explain(cache, "out", (0, 0), **options)


def test_nothing_of_it_needs_matplotlib():
    import subprocess
    import sys

    code = "import sys, minisora.plotting as p; p.explain; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)

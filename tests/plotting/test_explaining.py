"""Every number explained: what is printed adds up, on every line, to the number that the code computes."""

import math
import re

import numpy as np
import pytest

from minisora.kernels import DropoutKey, attention_backward, attention_forward, attention_steps, keep_mask
from minisora.layers.attention import MultiHeadAttention
from minisora.layers.linear import Linear, TiedLinear
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.layers.normalization import LayerNorm
from minisora.plotting import explain

B, H, T, S, D_K, D_V = 2, 3, 7, 11, 5, 4
EXACT = 17  # digits with which a float64 is itself


def evaluate(text):
    """What a printed line comes to, by Python's own arithmetic."""
    text = re.sub(r"\(\d+ more: ([^()]*)\)", r"(\1)", text).replace("·", "*")
    functions = {name: getattr(math, name) for name in ("exp", "log", "sqrt")}
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
            np.testing.assert_allclose(evaluate(step.numbers), expected, rtol=1e-11, atol=1e-13, err_msg=str(step))
        np.testing.assert_allclose(float(step.value), expected, rtol=1e-11, atol=1e-13, err_msg=str(step))
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
        ("scores", (0, 0, 0, 0), {"x": np.ones(3)}, "x is expected for a LayerNorm or the loss alone"),
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
        (linear_cache, {"layer": norm}, "the Linear that made the cache, got LayerNorm"),
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

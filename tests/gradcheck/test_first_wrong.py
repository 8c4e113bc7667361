"""The first wrong step: stages of one's own, parts of a composite, and reasons that explain an error exactly."""

import numpy as np
import pytest

from minisora.gradcheck import FunctionPair, Probe, check, named_checks, randomize
from minisora.gradcheck.stages import evaluate, stages_of
from minisora.layers.layer import Layer, Parameter
from minisora.layers.linear import Linear

WRONG = {
    "dhidden": lambda d: d * 1.01,
    "dactive": lambda d: d[::-1].copy(),
    "dsquared": lambda d: d + 0.1,
}


class Staged(Layer):
    """out = squared W with squared = active^2, active = tanh(hidden), hidden = x * w; one step may be wrong."""

    def __init__(self, rng, wrong=None):
        self.weight = Parameter(rng.normal(size=(5, 7)))
        self.w = Parameter(rng.normal(size=5))
        self.wrong = wrong

    def stages(self, *, key=None):
        return {
            "hidden": lambda x: x * self.w.data,
            "active": lambda hidden: np.tanh(hidden),
            "squared": lambda active: active**2,
            "out": lambda squared: squared @ self.weight.data,
        }

    def forward(self, x, *, key=None):
        hidden = x * self.w.data
        active = np.tanh(hidden)
        squared = active**2
        return squared @ self.weight.data, (x, active, squared)

    def backward(self, dout, cache):
        x, active, squared = cache
        self.weight.grad += squared.T @ dout
        dsquared = self.bent("dsquared", dout @ self.weight.data.T)
        dactive = self.bent("dactive", dsquared * 2 * active)
        dhidden = self.bent("dhidden", dactive * (1 - active**2))
        self.w.grad += self.bent("dw", (dhidden * x).sum(axis=0))
        return dhidden * self.w.data

    def bent(self, name, gradient):
        return WRONG.get(name, lambda d: d * 2)(gradient) if name == self.wrong else gradient


def staged_probe(wrong, seed=0):
    rng = np.random.default_rng(seed)
    return Probe(Staged(rng, wrong), {"x": rng.normal(size=(3, 5))})


def test_the_unbent_layer_is_right():
    result = check(staged_probe(None))
    assert result.passed
    assert result.first_wrong_step is None
    assert result.hints == ()


@pytest.mark.parametrize("mode", ["central", "complex", "directional"])
@pytest.mark.parametrize("wrong", [*WRONG, "dw"])
def test_the_step_that_is_wrong_is_named_though_others_follow(wrong, mode):
    assert check(staged_probe(wrong), mode=mode).first_wrong_step == wrong


SPECIFIED = [c.name for c in named_checks() if stages_of(c.build(np.random.default_rng(0))) is not None]


def test_every_layer_that_is_not_made_of_layers_is_specified():
    layers = {name.partition("/")[0] for name in SPECIFIED}
    assert layers == {
        "attention", "MultiHeadAttention", "LayerNorm", "Linear", "TiedLinear", "TokenEmbedding", "ReLU", "GELU",
        "Dropout", "SoftmaxCrossEntropy",
    }  # fmt: skip


@pytest.mark.parametrize("name", SPECIFIED)
def test_the_specification_is_what_the_layer_computes(name):
    (named,) = named_checks(name)
    probe = named.build(np.random.default_rng(0))
    values = evaluate(stages_of(probe), probe.inputs)
    np.testing.assert_allclose(values["out"], probe.forward()[0], rtol=0, atol=1e-13)


def test_a_stage_that_reads_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"stage 'out' is expected to read .* \(x\), got 'y'"):
        evaluate({"out": lambda y: y}, {"x": np.ones(3)})


class Two(Layer):
    """Two linear maps and a residual; ``wrong`` says which gradient is wrong."""

    def __init__(self, rng, wrong=None):
        self.parts = [Linear(5, 5, rng, dtype=np.float64), Linear(5, 5, rng, dtype=np.float64)]
        self.wrong = wrong

    def forward(self, x, *, key=None):
        first, cache = self.parts[0].forward(x)
        second, other = self.parts[1].forward(np.tanh(first))
        return first + second, (first, cache, other)

    def backward(self, dout, cache):
        first, *caches = cache
        dactive = self.parts[1].backward(dout, caches[1])
        dfirst = dactive * (1 - np.tanh(first) ** 2)
        if self.wrong != "the residual is forgotten":
            dfirst = dfirst + dout
        dx = self.parts[0].backward(dfirst, caches[0])
        return 3 * dx if self.wrong == "dx" else dx


@pytest.mark.parametrize(
    ("wrong", "step"),
    [("the residual is forgotten", "the gradient that reaches parts.0"), ("dx", "dx"), (None, None)],
)
def test_between_the_parts_of_a_composite(rng, wrong, step):
    probe = Probe(randomize(Two(rng, wrong), rng), {"x": rng.normal(size=(3, 5))})
    assert check(probe).first_wrong_step == step


def test_inside_a_part_of_a_composite(rng, monkeypatch):
    right = Linear.backward

    def backward(self, dout, cache):
        dx = right(self, dout, cache)
        self.bias.grad += dout.reshape(-1, dout.shape[-1])[0]  # the first row counts twice
        return dx

    monkeypatch.setattr(Linear, "backward", backward)
    probe = Probe(randomize(Two(rng), rng), {"x": rng.normal(size=(3, 5))})
    assert check(probe).first_wrong_step == "parts.1.dbias"
    assert "forward" not in vars(probe.layer.parts[0])  # nothing is left on the layer that was watched


def hinted(bend, seed=0, shape=(3, 5)):
    """The hints for a Linear whose weight gradient is bent."""
    rng = np.random.default_rng(seed)

    class Bent(Linear):
        def backward(self, dout, cache):
            grads = self.weight.grad.copy()
            dx = super().backward(dout, cache)
            self.weight.grad[...] = grads + bend(self.weight.grad - grads, cache.x, dout)
            return dx

    layer = randomize(Bent(5, 5, rng, dtype=np.float64), rng)
    result = check(Probe(layer, {"x": rng.normal(size=(*shape,))}))
    assert result.first_wrong_step == "dweight"
    return result.hints


@pytest.mark.parametrize(
    ("bend", "part"),
    [
        (lambda d, x, dout: -d, "the wrong sign"),
        (lambda d, x, dout: d / 3, "divided by B once too often (B = 3)"),
        (lambda d, x, dout: d * 3, "a missing 1/B"),
        (lambda d, x, dout: d.T, "transpose"),
        (lambda d, x, dout: np.outer(x[0], dout[0]), "sequence 0 of the batch alone"),
        (lambda d, x, dout: np.outer(x[-1], dout[-1]), "sequence 2 of the batch alone"),
        (lambda d, x, dout: 0 * d, "is 0 everywhere"),
        (lambda d, x, dout: d * 1.2345, "is 1.2345 times the true gradient"),
    ],
)
def test_a_reason_that_explains_the_error_is_given(bend, part):
    (hint,) = hinted(bend)
    assert part in hint


@pytest.mark.parametrize(
    "bend",
    [
        lambda d, x, dout: d / 3 + 1e-4,
        lambda d, x, dout: d.T * (1 + 1e-3),
        lambda d, x, dout: d + np.outer(x[0], dout[0]),
        lambda d, x, dout: np.sign(d),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_reason_that_nearly_explains_it_is_not(bend, seed):
    assert hinted(bend, seed) == ()


def test_two_reasons_of_one_size_are_both_named():
    (hint,) = hinted(lambda d, x, dout: d / 5, shape=(5, 5))
    assert "divided by B once too often (B = 5) or divided by D once too often (D = 5)" in hint


def test_a_gradient_with_the_batch_still_in_it_lacks_a_sum():
    pair = FunctionPair(lambda x, w: (x * w, (x, w)), lambda dout, cache: (dout * cache[1], dout * cache[0]))
    rng = np.random.default_rng(0)
    result = check(Probe(pair, {"x": rng.normal(size=(3, 5)), "w": rng.normal(size=5)}))
    assert result.first_wrong_step == "dw"
    assert result.hints == ("dw summed over its first axis is right: a missing sum over the batch",)


def test_an_object_without_parameters_is_checked_all_the_same(rng):
    class Plain:
        def forward(self, x):
            return np.sin(x), x

        def backward(self, dout, x):
            return -dout * np.cos(x)

    result = check(Probe(Plain(), {"x": rng.normal(size=(3, 5))}))
    assert result.first_wrong_step == "dx"


def test_what_was_found_is_reported_even_when_the_step_cannot_be_looked_for(rng, monkeypatch):
    monkeypatch.setattr(Staged, "stages", lambda self, *, key=None: {"out": lambda nothing: nothing})
    result = check(staged_probe("dhidden"))
    assert result.first_wrong_step is None
    assert result.largest_relative_error > 1e-3
    assert "could not be looked for, ValueError: stage 'out' is expected to read" in result.problems[0]


def test_the_layers_are_left_as_they_were(rng):
    layer = randomize(Two(rng, "dx"), rng)
    layer.parts[0].forward = forward = layer.parts[0].forward  # an attribute of the object itself
    before = [parameter.data.copy() for _, parameter in layer.parameters()]
    assert not check(Probe(layer, {"x": rng.normal(size=(3, 5))})).passed
    assert layer.parts[0].forward is forward
    assert "forward" not in vars(layer.parts[1])
    for (_, parameter), data in zip(layer.parameters(), before, strict=True):
        np.testing.assert_array_equal(parameter.data, data)

"""The tree of parameters."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from minisora.layers.layer import Layer, Parameter, is_layer
from minisora.layers.linear import Linear, TiedLinear


class Pair(Layer):
    def __init__(self, rng):
        self.first = Linear(2, 3, rng)
        self.rest = [Linear(3, 5, rng, bias=False), TiedLinear(self.first.weight)]
        self.scale = Parameter(np.ones(7))
        self.name = "not a parameter"


def test_names_depth_first_in_order_of_assignment_and_shared_once(rng):
    assert [name for name, _ in Pair(rng).parameters()] == ["first.weight", "first.bias", "rest.0.weight", "scale"]
    assert next(Pair(rng).parameters("a."))[0] == "a.first.weight"
    assert Pair(rng).num_parameters() == 6 + 3 + 15 + 7


def test_layers_and_parameters_in_lists_tuples_and_dicts_are_found(rng):
    layer = Layer()
    layer.sizes, layer.parts = [1, 2], (Parameter(np.ones(2)), {"a": Linear(2, 3, rng, bias=False)})
    assert [name for name, _ in layer.parameters()] == ["parts.0", "parts.1.a.weight"]


class OfAnotherBase:
    """Follows the protocol, and that is all."""

    def __init__(self):
        self.scale = Parameter(np.ones(3))

    def forward(self, x, *, key=None):
        return x * self.scale.data, x

    def backward(self, dout, cache):
        self.scale.grad += (dout * cache).sum(axis=0)
        return dout * self.scale.data


def test_a_layer_of_another_base_class_is_walked_too():
    class Holder(Layer):
        def __init__(self):
            self.one, self.more = OfAnotherBase(), [OfAnotherBase()]

    assert [name for name, _ in Holder().parameters()] == ["one.scale", "more.0.scale"]


def test_a_layer_has_forward_and_backward():
    assert is_layer(OfAnotherBase())
    assert is_layer(Linear(2, 3, np.random.default_rng(0)))
    for other in (None, SimpleNamespace(forward=len), SimpleNamespace(backward=len), SimpleNamespace(forward=1)):
        assert not is_layer(other)


def test_gradients_begin_at_zero_and_return_there(rng):
    layer = Pair(rng)
    grads = [parameter.grad for _, parameter in layer.parameters()]
    assert all((grad == 0).all() for grad in grads)
    for grad in grads:
        grad += 1
    layer.zero_grad()
    assert all((grad == 0).all() for grad in grads)  # in place: whoever holds the array sees it


def test_an_unknown_device_is_refused(rng):
    with pytest.raises(ValueError, match="unknown device 'tpu'"):
        Pair(rng).to("tpu")


def test_to_cpu_keeps_everything(rng):
    layer = Pair(rng)
    before = [parameter.data for _, parameter in layer.parameters()]
    assert layer.to("cpu") is layer
    for data, (_, parameter) in zip(before, layer.parameters(), strict=True):
        np.testing.assert_array_equal(data, parameter.data)
        np.testing.assert_array_equal(parameter.grad, np.zeros_like(data))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_is_zeros_from_the_first_look_and_the_same_array_from_then_on(dtype):
    parameter = Parameter(np.ones((3, 2), dtype))
    parameter.grad += 2
    assert parameter.grad.dtype == dtype and parameter.grad.tolist() == [[2, 2]] * 3
    parameter.move(lambda array: array + 1)
    assert parameter.data.tolist() == [[2, 2]] * 3 and parameter.grad.tolist() == [[3, 3]] * 3


def test_a_model_that_only_answers_has_no_gradients():
    parameter = Parameter(np.ones((1000, 1000), np.float32))
    tracemalloc.start()
    try:
        Parameter(parameter.data).move(np.asarray)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()

"""What a check looks at: a layer with its inputs, as named arrays that can be nudged and two passes over them."""

from contextlib import contextmanager

import numpy as np

from minisora.kernels import child
from minisora.layers.layer import Layer

MUST_VANISH = ("w_k.bias",)  # a key bias moves all scores of a row alike, which the softmax does not see


class FunctionPair(Layer):
    """A plain ``forward(*inputs, **options) -> (out, cache)`` and ``backward(dout, cache) -> dinputs`` as a layer.

    Parameters
    ----------
    forward, backward : callable
        The pair, for example ``minisora.kernels.attention_forward`` and ``attention_backward``. They take no key:
        their dropout is one of the options.
    """

    def __init__(self, forward, backward):
        self._forward, self._backward = forward, backward

    def forward(self, *inputs, key=None, **options):
        """Return the function's ``(out, cache)``."""
        return self._forward(*inputs, **options)

    def backward(self, dout, cache):
        """Return what the backward function returns."""
        return self._backward(dout, cache)


class Probe:
    """A layer at one point: its inputs, its masks, its dropout key.

    Parameters
    ----------
    layer : Layer
        Anything that follows the protocol of `minisora.layers.layer.Layer`. All its parameters must be float64.
    inputs : dict of str to array
        In the order of the layer's forward; float64 ones are differentiated, integer ones (ids) are handed on.
    key : DropoutKey, optional
        Fixed for the whole check: the same mask in every evaluation.
    masks : dict, optional
        Keyword arguments of forward that are not differentiated.

    Raises
    ------
    ValueError
        Where the check would prove nothing: float32 values, constant inputs or parameters.
    """

    def __init__(self, layer, inputs, *, key=None, masks=None):
        self.layer, self.key, self.masks = layer, key, dict(masks or {})
        self.inputs = {name: np.array(value) for name, value in inputs.items()}
        self._parameters = dict(layer.parameters()) if hasattr(layer, "parameters") else {}
        self.variables = {name: value for name, value in self.inputs.items() if value.dtype.kind not in "iub"}
        self.variables |= {name: parameter.data for name, parameter in self._parameters.items() if parameter.trainable}
        for name, value in self.variables.items():
            _refuse_vacuous(name, value)

    def forward(self):
        """Return ``(out, cache)``; of several outputs (a sum and its count) only the first is differentiated."""
        out, cache = self.layer.forward(*self.inputs.values(), **self._keyed(self.key), **self.masks)
        return np.asarray(out[0] if isinstance(out, tuple) else out), cache

    def disturb(self):
        """Call forward with other inputs and another key, which must not change what backward does with a cache."""
        others = [-value if name in self.variables else value for name, value in self.inputs.items()]
        self.layer.forward(*others, **self._keyed(child(self.key, "disturb")), **self.masks)

    def backward(self, dout, cache):
        """Return ``{name: gradient}`` from one backward pass into fresh parameter gradients; a missing one is None."""
        for parameter in self._parameters.values():
            parameter.grad = np.zeros_like(parameter.data)
        dinputs = self._named(self.layer.backward(dout, cache))
        return {
            name: dinputs[name] if name in self.inputs else self._parameters[name].grad.copy()
            for name in self.variables
        }

    def backward_twice(self, dout, cache):
        """Return the parameters' gradients after two backward passes in a row."""
        self.backward(dout, cache)
        self.layer.backward(dout, cache)
        return {name: parameter.grad for name, parameter in self._parameters.items() if name in self.variables}

    @contextmanager
    def weighted(self, dout):
        """Yield a function that evaluates ``dout * out`` at the present values; they are restored afterwards."""
        saved = {name: value.copy() for name, value in self.variables.items()}
        try:
            yield lambda: dout * self.forward()[0]
        finally:
            for name, value in self.variables.items():
                value[...] = saved[name]

    def direction(self, signs, terms):
        """Return the line through the present values along ``signs``, one array of signs for each variable."""
        start = {name: self.variables[name].copy() for name in signs}

        def line(t):
            for name, sign in signs.items():
                self.variables[name][...] = start[name] + t * sign
            return terms()

        return line

    @contextmanager
    def complexified(self):
        """Yield the variables as complex128 copies, which forward uses until the end; then the old arrays are back."""
        real = [parameter.data for parameter in self._parameters.values()]
        inputs = self.inputs
        try:
            self.inputs = {
                name: value.astype(complex) if value.dtype.kind == "f" else value for name, value in inputs.items()
            }
            for parameter in self._parameters.values():
                parameter.data = parameter.data.astype(complex)
            yield {
                name: self.inputs[name] if name in inputs else self._parameters[name].data for name in self.variables
            }
        finally:
            self.inputs = inputs
            for parameter, data in zip(self._parameters.values(), real, strict=True):
                parameter.data = data

    def _keyed(self, key):
        return {} if key is None else {"key": key}

    def _named(self, dinputs):
        gradients = dinputs if isinstance(dinputs, tuple) else (dinputs,)
        names = list(self.inputs)
        if len(gradients) != len(names):
            names = [name for name in names if name in self.variables]  # without the None of ids
        if len(gradients) != len(names) and not (dinputs is None and not names):
            raise ValueError(
                f"backward of {type(self.layer).__name__} must return one gradient for each of the inputs "
                f"{', '.join(self.inputs)}, got {len(gradients)}"
            )
        return dict(zip(names, gradients))


def randomize(layer, rng):
    """Move every constant parameter (gamma = 1, biases = 0) to random values in place, and return the layer.

    At gamma = 1 a LayerNorm whose backward has gamma in the wrong place passes every check.
    """
    for _, parameter in layer.parameters():
        if parameter.data.size and np.ptp(parameter.data) == 0:
            parameter.data += 0.5 * rng.normal(size=parameter.data.shape)
    return layer


def must_vanish(name):
    """Tell whether the gradient of the tensor of this name is zero in exact arithmetic."""
    return name.endswith(MUST_VANISH)


def _refuse_vacuous(name, value):
    if value.dtype != np.float64:
        raise ValueError(
            f"a gradient check needs float64, got {value.dtype} in {name!r}: finite differences in {value.dtype} have "
            "two or three right digits, so that they fail right gradients and pass wrong ones"
        )
    if not value.size:
        raise ValueError(f"a gradient check needs entries to move, got {name!r} of shape {value.shape}")
    if not np.isfinite(value).all():
        raise ValueError(f"a gradient check needs finite values, got some in {name!r} that are not")
    if value.size > 1 and np.ptp(value) == 0:
        raise ValueError(
            f"a gradient check needs random values, got {name!r} = {value.flat[0]:g} everywhere, where mistakes cancel "
            "out (randomize(layer, rng) moves parameters away from such values)"
        )

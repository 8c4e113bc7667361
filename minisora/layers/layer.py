"""What a layer is: parameters, a forward that returns its cache, a backward that consumes it."""

import sys

import numpy as np

from minisora.kernels import array_module, get_backend, get_elementwise


class Parameter:
    """A trainable array and the gradient that backward passes add into.

    Parameters
    ----------
    data : array
    trainable : bool
        False: optimizers leave it as it is.
    decay : bool
        False for norms, biases and embeddings, which weight decay leaves alone.
    """

    __slots__ = ("_grad", "data", "decay", "trainable")

    def __init__(self, data, *, trainable=True, decay=True):
        self.data = data
        self._grad = None
        self.trainable = trainable
        self.decay = decay

    @property
    def grad(self):
        """Zeros until backward adds; made when first asked for, since a model that only answers needs none."""
        if self._grad is None:
            self._grad = array_module(self.data).zeros_like(self.data)
        return self._grad

    @grad.setter
    def grad(self, grad):
        self._grad = grad

    def move(self, move):
        """Bring data and gradient to where the function ``move`` brings an array."""
        self.data = move(self.data)
        if self._grad is not None:
            self._grad = move(self._grad)

    def __repr__(self):
        return f"Parameter({self.data.shape}, {self.data.dtype})"


class Layer:
    """Base of all layers: a named tree of parameters, nothing more.

    Subclasses implement ``forward(*inputs, key=None, **masks) -> (out, cache)`` and ``backward(dout, cache) ->
    dinputs``: forward is pure, backward adds into every ``parameter.grad`` and returns one array for one differentiable
    input and a tuple for several. A layer holds no state of a call: the caller keeps the cache, so a layer may be
    called twice, shared or probed.
    """

    fused_by = None  # the backend whose fused operations stand in for the layer's own NumPy, see `use_backend`

    def __call__(self, *inputs, **masks):
        """Return forward's output without dropout: inference."""
        return self.forward(*inputs, key=None, **masks)[0]

    def parameters(self, prefix=""):
        """Yield ``(name, parameter)`` depth first, in order of assignment; a shared one once, by its first name."""
        seen = set()
        for name, parameter in self._walk(prefix):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def _walk(self, prefix):
        for name, value in vars(self).items():
            yield from _walk_value(prefix + name, value)

    def zero_grad(self):
        """Set every gradient to zero, in place."""
        for _, parameter in self.parameters():
            parameter.grad.fill(0)

    def num_parameters(self):
        """Return how many numbers the layer's parameters hold; shared ones count once."""
        return sum(parameter.data.size for _, parameter in self.parameters())

    def use_backend(self, name):
        """Compute with a backend from now on, in this layer and all below: attention, and what has been fused.

        Parameters
        ----------
        name : str
            That `minisora.kernels.get_backend` takes. The layers' own NumPy does what a backend has no operation for.

        Returns
        -------
        Layer
            This one.

        Raises
        ------
        ValueError
            For a name that does not exist.
        """
        get_backend(name)
        for layer in self.layers_below():
            layer.choose_backend(name)
        return self

    def choose_backend(self, name):
        """Compute with a backend in this layer alone; a layer that keeps more than the name overrides it."""
        self.fused_by = name

    def layers_below(self):
        """Yield this layer and every `Layer` in its attributes, lists and dicts, depth first."""
        yield self
        for value in vars(self).values():
            yield from _layers_in(value)

    def fused(self, x):
        """Return the fused operations that take x, or None where NumPy, as written in the layer, is to compute."""
        return None if self.fused_by is None else get_elementwise(self.fused_by, x)

    def to(self, device):
        """Move all parameters and their gradients to ``"cpu"`` or ``"cuda"`` (through CuPy), and return the layer.

        Inputs are expected where the parameters are; the Trainer, `minisora.generation` and the scoring bring them
        there. An optimizer is made after the move: its state lies where the parameters lie.
        """
        move = mover(device)
        for _, parameter in self.parameters():
            parameter.move(move)
        return self


def _walk_value(name, value):
    """Yield the parameters in an attribute: itself, a layer's, or those in a list, tuple or dict."""
    if isinstance(value, Parameter):
        yield name, value
    elif isinstance(value, list | tuple | dict):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _walk_value(f"{name}.{key}", part)
    elif isinstance(value, Layer) or is_layer(value):
        yield from Layer._walk(value, f"{name}.")


def _layers_in(value):
    """Yield the layers in an attribute: those of a layer's own, or of a list, tuple or dict."""
    if isinstance(value, Layer):
        yield from value.layers_below()
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _layers_in(part)


def is_layer(value):
    """Whether value has ``forward`` and ``backward``, whatever its base class is."""
    return callable(getattr(value, "forward", None)) and callable(getattr(value, "backward", None))


def mover(device):
    """Return the function that brings an array to a device; ValueError where there is no such device."""
    if device == "cpu":
        cupy = sys.modules.get("cupy")  # not loaded: nothing can be on the GPU
        return np.asarray if cupy is None else cupy.asnumpy
    if device != "cuda":
        raise ValueError(f"unknown device {device!r}, expected 'cpu' or 'cuda'")
    try:
        import cupy
    except ImportError as error:
        raise ValueError("device 'cuda' needs CuPy: pip install 'minisora[cuda12]' or 'minisora[cuda13]'") from error
    if not cupy.is_available():
        raise ValueError("device 'cuda' needs an NVIDIA GPU and its driver, and CuPy finds none")
    return cupy.asarray


def check_width(name, x, width):
    """Raise ValueError unless the last axis of x has the length that the layer was built for."""
    if x.ndim == 0 or x.shape[-1] != width:
        raise ValueError(f"{name} expects {width} values in the last axis, got an array of shape {x.shape}")

"""The nonlinearities of the feed-forward layer: ReLU and GELU."""

from typing import Any, NamedTuple

import numpy as np

from minisora.kernels import array_module
from minisora.layers.erf import erf
from minisora.layers.layer import Layer

_SQRT_HALF = 0.5**0.5
_SQRT_2_OVER_PI = (2 / np.pi) ** 0.5
_CUBIC = 0.044715


class ActivationCache(NamedTuple):
    x: Any  # (...)


class ReLU(Layer):
    """out = max(x, 0). Its derivative at the kink, 0, is taken as 0."""

    def forward(self, x, *, key=None):
        """Map x (...) to the same shape."""
        if x.dtype.kind == "c":
            return x * (x.real > 0), ActivationCache(x)
        return array_module(x).maximum(x, 0), ActivationCache(x)

    def backward(self, dout, cache):
        """dx = dout where x > 0, else 0."""
        return dout * (cache.x.real > 0)


class GELU(Layer):
    """out = x Phi(x), Phi the distribution function of the standard normal [1]_.

    Parameters
    ----------
    approximate : {"none", "tanh"}
        ``"none"``: Phi(x) = (1 + erf(x / sqrt(2))) / 2. ``"tanh"``: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).

    References
    ----------
    .. [1] Hendrycks, Gimpel, "Gaussian Error Linear Units", 2016, section 2.
    """

    def __init__(self, approximate="none"):
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU's approximate is expected to be 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def forward(self, x, *, key=None):
        """Map x (...) to the same shape."""
        if self.approximate == "tanh":
            return 0.5 * x * (1 + _inner_tanh(x)), ActivationCache(x)
        return 0.5 * x * (1 + erf(x * _SQRT_HALF)), ActivationCache(x)

    def backward(self, dout, cache):
        """dx = dout * (Phi(x) + x phi(x)), phi the density; for "tanh", the derivative of that formula instead."""
        x = cache.x
        if self.approximate == "tanh":
            t = _inner_tanh(x)
            dinner = _SQRT_2_OVER_PI * (1 + 3 * _CUBIC * x * x)
            return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * dinner)
        density = array_module(x).exp(-0.5 * x * x) * (0.5 * _SQRT_2_OVER_PI)  # 1 / sqrt(2 pi) = sqrt(2 / pi) / 2
        return dout * (0.5 * (1 + erf(x * _SQRT_HALF)) + x * density)


def _inner_tanh(x):
    return array_module(x).tanh(_SQRT_2_OVER_PI * (x + _CUBIC * x * x * x))

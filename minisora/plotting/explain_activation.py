"""The formulas of ReLU and GELU, number by number."""

from math import pi

from minisora.layers.activation import ActivationCache
from minisora.layers.feed_forward import activation_name
from minisora.plotting.formulas import Line, Named, Part, at, check_like, names_for, on_host, stated

VALUES = "(...)"
CUBIC = 0.044715  # of GELU's approximation by tanh


class ActivationFormulas:
    """out and dx of an `ActivationCache`, with what GELU's have in common.

    Parameters
    ----------
    cache : ActivationCache
    layer : ReLU or GELU
    dout : array (...), optional
    renamed : dict of str to str, optional
        What x and out are called, where this is a part of a layer.
    """

    def __init__(self, cache, layer, dout=None, renamed=None):
        self.kind = activation_name(layer)
        if self.kind is None:
            raise ValueError(f"a ReLU or GELU is expected as the activation, got {type(layer).__name__}")
        self.names = names_for("x out", renamed)
        self.x, self.dout = on_host(cache.x), on_host(dout)
        check_like("dout", self.dout, self.x)
        self.out = layer.forward(self.x)[0]
        self.dx = None if dout is None else layer.backward(self.dout, ActivationCache(self.x))

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        x, out = self.names.values()
        rule, steps, gradient_rule, gradient_steps = {
            "relu": (self._relu, {}, self._drelu, {}),
            "gelu": (self._gelu, {}, self._dgelu, {"density": self._density}),
            "gelu_tanh": (
                self._gelu_tanh,
                {"inner_tanh": self._inner_tanh},
                self._dgelu_tanh,
                {"dinner": self._dinner},
            ),
        }[self.kind]
        rules = {x: None, **steps, out: rule}
        if self.dout is not None:
            rules |= {**gradient_steps, f"d{x}": gradient_rule}
        named = {name: Named(VALUES, self.x, rule) for name, rule in rules.items()}
        return named if self.dout is None else named | {f"d{out}": Named(VALUES, self.dout)}

    def _own(self, a, index):
        """A number of x, its name, and its part."""
        return a.number(self.x[index]), at(self.names["x"], *index), Part(self.names["x"], index)

    def _incoming(self, a, index):
        """A number of dout, its name, and its part."""
        name = f"d{self.names['out']}"
        return a.number(self.dout[index]), at(name, *index), Part(name, index)

    def _relu(self, a, *index):
        x, name, part = self._own(a, index)
        return Line(f"max({name}, 0)", a.larger(x, a.number(0)), [part])

    def _drelu(self, a, *index):
        (x, name, part), (dout, dname, dpart) = self._own(a, index), self._incoming(a, index)
        if self.x[index] > 0:
            return Line(f"{dname}, since {name} = {x.text} is above 0", dout, [dpart, part])
        return stated(f"{name} = {x.text} is not above 0", a.number(0))._replace(parts=[part])

    def _gelu(self, a, *index):
        x, name, part = self._own(a, index)
        numbers = a.product(a.number(0.5), x, a.total([a.number(1), _erf_of(a, x)]))
        return Line(f"0.5 · {name} · (1 + erf({name} / sqrt(2)))", numbers, [part])

    def _density(self, a, *index):
        x, name, part = self._own(a, index)
        top = a.call("exp", a.product(a.number(-0.5), a.power(x, a.number(2))))
        below = a.call("sqrt", a.product(a.number(2), a.number(pi)))
        return Line(f"exp(-0.5 · {name}^2) / sqrt(2 · π)", a.quotient(top, below), [part])

    def _dgelu(self, a, *index):
        (x, name, part), (dout, dname, dpart) = self._own(a, index), self._incoming(a, index)
        density = a.number(self._density(a, *index).numbers.value)
        share = a.product(a.number(0.5), a.total([a.number(1), _erf_of(a, x)]))
        return Line(
            f"{dname} · (0.5 · (1 + erf({name} / sqrt(2))) + {name} · {at('density', *index)})",
            a.product(dout, a.total([share, a.product(x, density)])),
            [dpart, part, Part("density", index)],
        )

    def _inner_tanh(self, a, *index):
        x, name, part = self._own(a, index)
        inner = a.total([x, a.product(a.number(CUBIC), a.power(x, a.number(3)))])
        return Line(
            f"tanh(sqrt(2 / π) · ({name} + {CUBIC} · {name}^3))",
            a.call("tanh", a.product(_sqrt_2_over_pi(a), inner)),
            [part],
        )

    def _gelu_tanh(self, a, *index):
        x, name, part = self._own(a, index)
        t = a.number(self._inner_tanh(a, *index).numbers.value)
        numbers = a.product(a.number(0.5), x, a.total([a.number(1), t]))
        return Line(f"0.5 · {name} · (1 + {at('inner_tanh', *index)})", numbers, [Part("inner_tanh", index), part])

    def _dinner(self, a, *index):
        x, name, part = self._own(a, index)
        slope = a.total([a.number(1), a.product(a.number(3), a.number(CUBIC), a.power(x, a.number(2)))])
        numbers = a.product(_sqrt_2_over_pi(a), slope)
        return Line(f"sqrt(2 / π) · (1 + 3 · {CUBIC} · {name}^2)", numbers, [part])

    def _dgelu_tanh(self, a, *index):
        (x, name, part), (dout, dname, dpart) = self._own(a, index), self._incoming(a, index)
        t, dinner = (a.number(rule(a, *index).numbers.value) for rule in (self._inner_tanh, self._dinner))
        share = a.product(a.number(0.5), a.total([a.number(1), t]))
        bent = a.product(a.number(0.5), x, a.minus(a.number(1), a.power(t, a.number(2))), dinner)
        tanh = at("inner_tanh", *index)
        return Line(
            f"{dname} · (0.5 · (1 + {tanh}) + 0.5 · {name} · (1 - {tanh}^2) · {at('dinner', *index)})",
            a.product(dout, a.total([share, bent])),
            [dpart, part, Part("inner_tanh", index), Part("dinner", index)],
        )


def _erf_of(a, x):
    return a.call("erf", a.quotient(x, a.call("sqrt", a.number(2))))


def _sqrt_2_over_pi(a):
    return a.call("sqrt", a.quotient(a.number(2), a.number(pi)))

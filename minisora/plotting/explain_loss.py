"""The formulas of softmax cross-entropy, number by number."""

import numpy as np

from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.plotting.formulas import Line, Named, Part, at, check_layer, on_host, stated


class LossFormulas:
    """probabilities, losses, total and dlogits of a `SoftmaxCrossEntropyCache`.

    Parameters
    ----------
    cache : SoftmaxCrossEntropyCache
    layer : SoftmaxCrossEntropy
    dtotal : float, optional
        The gradient of the total: 1 / count for the mean.
    logits : array (..., V), optional
        The cache keeps their exponentials.
    """

    def __init__(self, cache, layer, dtotal=None, logits=None):
        check_layer(layer, SoftmaxCrossEntropy)
        self.shape, self.smoothing = cache.shape, layer.label_smoothing
        rows = self.shape[:-1]
        self.exps = on_host(cache.exps).reshape(self.shape).astype(np.float64)
        self.totals = on_host(cache.totals).reshape(*rows, 1).astype(np.float64)
        self.targets, self.counted = on_host(cache.targets).reshape(rows), on_host(cache.counted).reshape(rows)
        self.logits = on_host(logits)
        if logits is not None and self.logits.shape != self.shape:
            raise ValueError(f"x is expected as the logits (..., V) = {self.shape}, got {self.logits.shape}")
        if dtotal is not None and np.ndim(dtotal) != 0:
            raise ValueError(
                f"dout is expected as a number, the gradient of the total, got an array {np.shape(dtotal)}"
            )
        self.dtotal = None if dtotal is None else float(dtotal)
        self.probabilities = self.exps / self.totals

    def named(self):
        """Return the numbers that have a formula, by name, and those that were given."""
        rows, columns = "(...)", "(..., V)"
        named = {
            "exps": Named(columns, self.exps, None if self.logits is None else self._exps),
            "probabilities": Named(columns, self.probabilities, self._probabilities),
            "losses": Named(rows, self.counted, self._losses),
            "total": Named("()", np.zeros(()), self._total),
        }
        if self.logits is not None:
            named["logits"] = Named(columns, self.logits)
        return named if self.dtotal is None else named | {"dlogits": Named(columns, self.exps, self._dlogits)}

    def q(self, index):
        """The probability that the loss asks for."""
        on_target = self.targets[index[:-1]] == index[-1]
        return (1 - self.smoothing) * on_target + self.smoothing / self.shape[-1]

    def _exps(self, a, *index):
        row = index[:-1]
        top = self.logits[row].max()
        return Line(
            f"exp({at('logits', *index)} - m), m = {a.number(top).text} the largest of {at('logits', *row, 'v')}",
            a.call("exp", a.minus(a.number(self.logits[index]), a.number(top))),
        )

    def _probabilities(self, a, *index):
        row = index[:-1]
        return Line(
            f"{at('exps', *index)} / Σ_v {at('exps', *row, 'v')}, where exps = exp(logits - the largest logit)",
            a.quotient(a.number(self.exps[index]), a.total(a.numbers(self.exps[row]))),
            [Part("exps", index)],
        )

    def _losses(self, a, *row):
        if not self.counted[row]:
            return stated("the target is padding", a.number(0))
        target = int(self.targets[row])
        logs = [a.call("log", a.number(p)) for p in self.probabilities[row]]
        sure, part = at("probabilities", *row, target), Part("probabilities", (*row, target))
        if not self.smoothing:
            return Line(f"-log({sure}), of the target {target}", a.minus(a.number(0), logs[target]), [part])
        asked = [a.number(self.q((*row, v))) for v in range(self.shape[-1])]
        every = a.total(a.product(*pair) for pair in zip(asked, logs, strict=True))
        formula = f"-Σ_v q[v] · log({at('probabilities', *row, 'v')}), q = e / V, and 1 - e more on the target {target}"
        return Line(formula, a.minus(a.number(0), every), [part])

    def _total(self, a):
        rows = [row for row in np.ndindex(*self.shape[:-1]) if self.counted[row]]
        if not rows:
            return stated("every target is padding", a.number(0))
        losses = {row: self._losses(a, *row).numbers.value for row in rows}
        largest = max(losses, key=losses.get)
        return Line(
            "Σ losses, over the targets that are not padding",
            a.total(a.numbers(losses.values())),
            [Part("losses", largest, True)],
        )

    def _dlogits(self, a, *index):
        row, v = index[:-1], index[-1]
        if not self.counted[row]:
            return stated("the target is padding", a.number(0))
        what = "the target" if self.targets[row] == v else "not the target"
        return Line(
            f"dtotal · ({at('probabilities', *index)} - q[{v}]), where {v} is {what}",
            a.product(a.number(self.dtotal), a.minus(a.number(self.probabilities[index]), a.number(self.q(index)))),
            [Part("probabilities", index)],
        )

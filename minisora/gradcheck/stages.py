"""The forward of a layer as named pure functions, so that a checker can begin to differentiate at any of them.

Stages are a dict from the name of an intermediate to the function that computes it. A function's argument names say
what it reads: inputs of forward, or earlier stages; parameters it reads from the layer. The last one is the output::

    def stages(self, *, key=None, **masks):
        return {
            "scores": lambda q, k: q @ k.swapaxes(-1, -2),
            "weights": lambda scores: softmax(scores),
            "out": lambda weights, v: weights @ v,
        }

A layer of one's own may have this method; those of minisora's layers are in `minisora.gradcheck.specification`.
"""

import inspect

from minisora.gradcheck.specification import specified_stages


def stages_of(probe):
    """Return the stages of a probe's layer: its own, or those of the specification; None where there are neither."""
    if callable(getattr(probe.layer, "stages", None)):
        return probe.layer.stages(key=probe.key, **probe.masks)
    return specified_stages(probe)


def arguments(stage):
    """Return the names of what a stage reads."""
    return list(inspect.signature(stage).parameters)


def evaluate(stages, values, first=0):
    """Return ``{name: value}`` of the inputs and all stages; those before the stage of this number are taken over."""
    values = dict(values)
    for name in list(stages)[first:]:
        read = arguments(stages[name])
        if missing := [argument for argument in read if argument not in values]:
            known = ", ".join(values)
            raise ValueError(
                f"stage {name!r} is expected to read inputs or earlier stages ({known}), got {missing[0]!r}"
            )
        values[name] = stages[name](*(values[argument] for argument in read))
    return values

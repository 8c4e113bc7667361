"""Learning rate schedules: pure functions of the step, so that a resumed training sees the same rates.

Every schedule warms up linearly from ``peak / warmup_steps`` at step 1 to ``peak`` at step ``warmup_steps``. Steps
count from 1: the rate of step s is the one that the s-th update uses.
"""

import math


def inverse_sqrt(step, *, peak, warmup_steps, steps=None, decay_from=0.0, floor=0.0):
    """peak * min(step / warmup, sqrt(warmup / step)): Vaswani et al. 2017, section 5.3, its peak the free constant.

    ``steps``, ``decay_from`` and ``floor`` have no part in it: this schedule does not know where it will end.
    """
    warmup_steps = max(warmup_steps, 1)
    return peak * min(step / warmup_steps, math.sqrt(warmup_steps / step))


def constant(step, *, peak, warmup_steps, steps=None, decay_from=0.0, floor=0.0):
    """The peak, once warm."""
    return peak * _warm(step, warmup_steps)


def linear(step, *, peak, warmup_steps, steps, decay_from=0.0, floor=0.0):
    """The peak until ``decay_from * steps``, then a straight line down to ``floor * peak`` at the last step."""
    return peak * min(_warm(step, warmup_steps), 1 - (1 - floor) * _decayed(step, warmup_steps, steps, decay_from))


def cosine(step, *, peak, warmup_steps, steps, decay_from=0.0, floor=0.0):
    """The peak until ``decay_from * steps``, then half a cosine down to ``floor * peak``.

    Loshchilov, Hutter, "SGDR", 2017, equation (5), without restarts.
    """
    left = (1 + math.cos(math.pi * _decayed(step, warmup_steps, steps, decay_from))) / 2
    return peak * min(_warm(step, warmup_steps), floor + (1 - floor) * left)


def _warm(step, warmup_steps):
    return min(1.0, step / max(warmup_steps, 1))


def _decayed(step, warmup_steps, steps, decay_from):
    """Share of the decay that lies behind ``step``: 0 until it begins, 1 at the last step."""
    begin = max(warmup_steps, decay_from * steps)
    return min(1.0, max(0.0, step - begin) / max(steps - begin, 1))


SCHEDULES = {"inverse_sqrt": inverse_sqrt, "cosine": cosine, "linear": linear, "constant": constant}

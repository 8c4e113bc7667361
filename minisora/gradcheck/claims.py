"""What a pass says about its intermediates: the local variables of the functions that it runs, by name."""

import sys
from contextlib import contextmanager

import numpy as np


@contextmanager
def recorded(shapes):
    """Yield a dict that fills with the arrays of these names and shapes that functions hold when they return.

    Parameters
    ----------
    shapes : dict of str to tuple
        Such as ``{"dscores": (B, H, T, S)}``. Where several functions use a name, the caller's value stays: it is what
        the rest of the pass works with. An array of as many axes must have this shape; one whose axes were merged, or
        split, is brought back to it.
    """
    found, before = {}, sys.getprofile()

    def look(frame, event, argument):
        if event == "return":
            local = frame.f_locals
            for name in shapes.keys() & local.keys():
                if isinstance(local[name], np.ndarray) and _fits(local[name], shapes[name]):
                    found[name] = local[name].reshape(shapes[name]).copy()

    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(before)


def _fits(array, shape):
    return array.shape == shape or (array.ndim != len(shape) and array.size == np.prod(shape, dtype=int))

"""Matrices as short text: every row in whole numbers of 8 or 16 bits, times a scale of its own.

A row x is kept as q = round(x / scale), with scale = max|x| / top and top the largest whole number: 2**bits - 1 without
a sign, 2**(bits - 1) - 1 with one. So no number is off by more than max|x| / (2 top), half a step, and 0 stays 0.
"""

import base64
import zlib

import numpy as np

KINDS = {(8, False): "<u1", (16, False): "<u2", (8, True): "<i1", (16, True): "<i2"}


def pack(rows, bits, *, signed=False, means=None):
    """Return an array (..., S) as base64 of a zlib stream: the scales, the means if any, and the rows.

    Parameters
    ----------
    rows : array (..., S)
    bits : {8, 16}
    signed : bool
    means : array (...), optional
        One more float32 for each row.
    """
    kind, top = KINDS[bits, signed], largest_whole(bits, signed)
    rows = np.asarray(rows, np.float64)
    scales = (np.abs(rows).max(axis=-1, initial=0) / top).astype("<f4")
    steps = np.where(scales > 0, scales, 1).astype(np.float64)[..., None]
    whole = np.clip(np.rint(rows / steps), -top if signed else 0, top).astype(kind)
    return packed([scales, *([] if means is None else [np.asarray(means, "<f4")]), whole])


def pack_places(places):
    """Return places in rows, int array (..., S), as base64 of a zlib stream of 16 bits each."""
    return packed([places.astype("<u2")])


def packed(parts):
    """Arrays as base64 of one zlib stream; numbers so even have runs of zeros in them, but no other repetition."""
    stream = zlib.compressobj(strategy=zlib.Z_RLE)
    content = b"".join(stream.compress(part.tobytes()) for part in parts) + stream.flush()
    return base64.b64encode(content).decode("ascii")


def unpack(text, shape, bits, *, signed=False, means=False):
    """Return what `pack` took: the rows (..., S) of ``shape``, and with ``means`` those too."""
    content, count = zlib.decompress(base64.b64decode(text)), int(np.prod(shape[:-1]))
    heads = np.frombuffer(content, "<f4", count * (1 + means)).reshape(1 + means, *shape[:-1])
    whole = np.frombuffer(content, KINDS[bits, signed], offset=heads.nbytes).reshape(shape)
    rows = whole * heads[0].astype(np.float64)[..., None]
    return (rows, heads[1]) if means else rows


def largest_whole(bits, signed):
    """The largest whole number of a kind, top."""
    return 2 ** (bits - signed) - 1


def unpack_places(text, shape):
    """Return what `pack_places` took, an array of ``shape``."""
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), "<u2").reshape(shape)

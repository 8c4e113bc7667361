"""The few largest of many numbers."""

from minisora.kernels import array_module

CHUNK = 64


def largest(values, count):
    """Return the ``count`` largest values of each row (N, V), falling, and where they stand, both (N, count).

    Of equal ones the first come first. Long rows are cut into chunks: the largest values are in the chunks with the
    largest maxima, and only those are sorted.
    """
    xp, (batch, width) = array_module(values), values.shape
    rows = xp.arange(batch)[:, None]
    whole = width // CHUNK * CHUNK
    if whole // CHUNK <= count:
        places = xp.argsort(-values, axis=-1, kind="stable")[:, :count]
        return values[rows, places], places
    maxima = values[:, :whole].reshape(batch, whole // CHUNK, CHUNK).max(axis=-1)
    chunks = xp.sort(xp.argsort(-maxima, axis=-1, kind="stable")[:, :count], axis=-1)  # (N, count), in order of place
    inside = (chunks[:, :, None] * CHUNK + xp.arange(CHUNK)).reshape(batch, count * CHUNK)
    rest = xp.zeros((batch, 1), int) + xp.arange(whole, width)
    places = xp.concatenate([inside, rest], axis=-1)
    found = values[rows, places]
    order = xp.argsort(-found, axis=-1, kind="stable")[:, :count]
    return found[rows, order], places[rows, order]

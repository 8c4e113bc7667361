"""Random choices as a pure function of a key."""

from hashlib import blake2b


class Dice:
    """A source of choices that depends on its key alone: the same on every machine and in every Python.

    The 512 bits of BLAKE2b [1]_ over the key are one large integer, read digit by digit in whatever base a choice
    needs. The choices of ``random.Random`` may change from one Python to the next; these may not.

    Parameters
    ----------
    *key : int or str
        What the choices depend on, such as a seed and an index.

    References
    ----------
    .. [1] Saarinen, Aumasson, "The BLAKE2 Cryptographic Hash and Message Authentication Code", RFC 7693, 2015.
    """

    __slots__ = ("_key", "_number", "_refills")

    def __init__(self, *key):
        self._key = repr(key)
        self._refills = 0
        self._refill()

    def _refill(self):
        digest = blake2b(f"{self._key}/{self._refills}".encode()).digest()
        self._number = int.from_bytes(digest, "little")
        self._refills += 1

    def below(self, n):
        """Return an integer from 0 to n - 1."""
        if self._number < 1 << 64:  # fewer digits left than make the remainder even
            self._refill()
        self._number, digit = divmod(self._number, n)
        return digit

    def between(self, low, high):
        """Return an integer from low to high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, percent):
        """Return True in ``percent`` of 100 cases."""
        return self.below(100) < percent

    def choice(self, values):
        """Return one of a sequence."""
        return values[self.below(len(values))]

    def sample(self, values, k):
        """Return k of a sequence, each at most once, in random order."""
        values = list(values)
        for i in range(k):
            j = i + self.below(len(values) - i)
            values[i], values[j] = values[j], values[i]
        return values[:k]

    def shuffled(self, values):
        """Return all of a sequence in random order."""
        return self.sample(values, len(values))

    def other(self, values, taken):
        """Return one of a sequence that is not ``taken``."""
        while (value := self.choice(values)) == taken:
            pass
        return value

"""How a text is generated: one frozen, validated dataclass."""

from dataclasses import dataclass

from minisora.settings import check_setting, is_integer, is_number

MOST_BEAMS = 1024


@dataclass(frozen=True, kw_only=True)
class GenerationConfig:
    """The strategy and its limits: greedy unless a temperature (sampling) or beams (beam search) say otherwise.

    Parameters
    ----------
    max_len : int
        Longest answer, in tokens; the model's own limit where that is smaller.
    batch_size : int
        How many sequences are decoded together, the beams of a text counted; texts of similar length share a batch.
    temperature : float
        What logits are divided by before a token is drawn; 0 takes the most probable one.
    top_k : int
        Draw among the k most probable tokens; 0: among all.
    top_p : float
        Draw among the fewest tokens whose probabilities reach p together; 1: among all. After ``top_k``.
    repetition_penalty : float
        How much less a token that has been said counts, see `minisora.generation.penalties`; 1: as much.
    no_repeat_ngram : int
        No n tokens in a row occur twice; 0: they may.
    beams : int
        Hypotheses of the beam search; 1: none is made.
    length_penalty : float
        alpha of `minisora.generation.beam_tree.length_penalty`; 0 prefers short answers, 1 nearly the mean.
    n_best : int
        How many answers of the beam search are given back for a text.
    seed : int
        Of what is drawn; the same text gets the same answer, whatever else is in the batch.

    Raises
    ------
    ValueError
        For a value that is out of its range or has no effect beside the others, in one sentence.
    """

    max_len: int = 128
    batch_size: int = 64
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0
    beams: int = 1
    length_penalty: float = 0.6
    n_best: int = 1
    seed: int = 0

    def __post_init__(self):
        for name in ("max_len", "batch_size", "beams", "n_best"):
            check_setting(self, name, lambda value: is_integer(value) and value >= 1, "an integer >= 1")
        for name in ("top_k", "no_repeat_ngram"):
            check_setting(self, name, lambda value: is_integer(value) and value >= 0, "an integer >= 0")
        check_setting(self, "seed", is_integer, "an integer")
        check_setting(self, "temperature", _is_temperature, "0 or a number in [0.001, 1000]")
        check_setting(self, "top_p", lambda value: is_number(value) and 0 < value <= 1, "a number in (0, 1]")
        check_setting(self, "repetition_penalty", lambda value: is_number(value) and value >= 1, "a number >= 1")
        check_setting(
            self, "length_penalty", lambda value: is_number(value) and 0 <= value <= 10, "a number in [0, 10]"
        )
        check_setting(self, "beams", lambda value: value <= MOST_BEAMS, f"at most {MOST_BEAMS}")
        self._check_together()

    def _check_together(self):
        if self.temperature == 0 and (self.top_k or self.top_p < 1):
            raise ValueError("expected a temperature above 0 beside top_k or top_p, which are of sampling, got 0")
        if self.beams > 1 and self.temperature > 0:
            raise ValueError(f"expected beams or a temperature, got both: {self.beams} and {self.temperature}")
        if self.n_best > self.beams:
            raise ValueError(f"expected n_best to be at most the number of beams, got {self.n_best} of {self.beams}")


def _is_temperature(value):
    return is_number(value) and (value == 0 or 1e-3 <= value <= 1e3)

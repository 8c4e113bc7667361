"""What defines a training, as one frozen dataclass."""

import json
from dataclasses import asdict, dataclass, fields

from minisora.kernels import backend_names
from minisora.settings import check_setting, is_integer, is_number
from minisora.training.schedules import SCHEDULES

OPTIMIZERS = ("adam", "adamw", "sgd")
SELECTIONS = ("exact_match", "loss")
PENALIZED = ("weights", "all")
BACKENDS = ("auto", *backend_names())
MOST_IN_A_CHUNK = 1 << 20  # examples; all of them are in memory

# What may differ between a training and its continuation: none of these changes a single parameter value.
_NOT_IDENTITY = frozenset({"eval_every", "save_every", "log_every", "keep", "patience", "threads", "select"})


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained; with the data and the initial model it determines every parameter value, bit for bit.

    Parameters
    ----------
    steps : int
        Optimizer updates of the whole training.
    batch_tokens : int
        Source and target positions, padding counted, that one batch may hold.
    batch_examples : int or None
        Examples that it may hold; None: as many as ``batch_tokens`` allow.
    chunk_examples : int
        Examples that are drawn together, sorted by length and cut into batches.
    learning_rate : float
        The peak of the schedule.
    schedule : {"inverse_sqrt", "cosine", "linear", "constant"}
        See `minisora.training.schedules`; ``decay_from`` (a share of ``steps``) and ``final_rate`` (a share of the
        peak) shape cosine and linear.
    optimizer : {"adam", "adamw", "sgd"}
        ``betas`` and ``eps`` belong to the first two, ``weight_decay`` to adamw, ``momentum`` to sgd.
    l1, l2 : float
        Of the penalties `minisora.training.regularization.Penalty`, added to the gradient after clipping.
    penalize : {"weights", "all"}
        What they are taken of: ``"weights"`` spares biases, norms and embeddings.
    clip : float or None
        Largest global norm of the gradient.
    accumulate : int
        Batches per update.
    shards : int
        Parts that a batch is cut into, of about as many tokens each, with padding and dropout of their own; they may
        run on ``threads`` threads at once. The shards enter the numbers (by rounding and by dropout's keys), the
        threads do not.
    label_smoothing : float
        Share of the target's probability that is spread over the vocabulary.
    seed : int
        Of dropout and of the order of the data.
    eval_every, save_every, log_every : int
        Steps between evaluations on dev (0: only at the end), checkpoints, and lines in the log.
    select : {"exact_match", "loss"}
        By what the best checkpoint on dev is chosen; the other breaks ties.
    keep : int
        Checkpoints that stay besides the best one.
    patience : int
        End the training when so many judgements on dev, one after the other, brought nothing better; 0: never.
    threads : int or None
        None is one for each shard.
    backend : str
        What computes: a name that `minisora.kernels.get_backend` takes. ``"auto"``: Numba where the training is long
        enough to be worth compiling for, NumPy for a short one; see `Trainer.backend`.
    """

    steps: int = 10_000
    batch_tokens: int = 4096
    batch_examples: int | None = None
    chunk_examples: int = 4096
    learning_rate: float = 1e-3
    schedule: str = "inverse_sqrt"
    warmup_steps: int = 300
    decay_from: float = 0.0
    final_rate: float = 0.0
    optimizer: str = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    momentum: float = 0.9
    weight_decay: float = 0.01
    l1: float = 0.0
    l2: float = 0.0
    penalize: str = "weights"
    clip: float | None = 1.0
    accumulate: int = 1
    shards: int = 1
    label_smoothing: float = 0.0
    seed: int = 0
    eval_every: int = 1000
    save_every: int = 1000
    log_every: int = 20
    select: str = "exact_match"
    keep: int = 1
    patience: int = 0
    threads: int | None = None
    backend: str = "auto"

    def __post_init__(self):
        object.__setattr__(self, "betas", tuple(self.betas) if isinstance(self.betas, list | tuple) else self.betas)
        for name in ("steps", "batch_tokens", "accumulate", "shards", "log_every", "save_every"):
            check_setting(self, name, lambda value: is_integer(value) and value >= 1, "an integer >= 1")
        check_setting(self, "chunk_examples", _is_chunk, f"an integer from 1 to {MOST_IN_A_CHUNK}")
        for name in ("warmup_steps", "eval_every", "keep", "patience", "seed"):
            check_setting(self, name, lambda value: is_integer(value) and value >= 0, "an integer >= 0")
        for name in ("batch_examples", "threads"):
            if getattr(self, name) is not None:
                check_setting(self, name, lambda value: is_integer(value) and value >= 1, "an integer >= 1 or None")
        for name in ("learning_rate", "eps"):
            check_setting(self, name, lambda value: is_number(value) and value > 0, "a number > 0")
        if self.clip is not None:
            check_setting(self, "clip", lambda value: is_number(value) and value > 0, "a number > 0 or None")
        for name in ("weight_decay", "l1", "l2"):
            check_setting(self, name, lambda value: is_number(value) and value >= 0, "a number >= 0")
        for name in ("momentum", "label_smoothing"):
            check_setting(self, name, _is_part, "a number in [0, 1)")
        for name in ("decay_from", "final_rate"):
            check_setting(self, name, lambda value: is_number(value) and 0 <= value <= 1, "a number in [0, 1]")
        check_setting(self, "betas", _are_two_parts, "two numbers in [0, 1)")
        choices = {"schedule": SCHEDULES, "optimizer": OPTIMIZERS, "select": SELECTIONS, "backend": BACKENDS}
        choices["penalize"] = PENALIZED
        for name, names in choices.items():
            check_setting(self, name, tuple(names).__contains__, f"one of {', '.join(names)}")

    def learning_rate_at(self, step):
        """The rate of update number ``step``, counted from 1."""
        shape = {"peak": self.learning_rate, "warmup_steps": self.warmup_steps, "steps": self.steps}
        return SCHEDULES[self.schedule](step, **shape, decay_from=self.decay_from, floor=self.final_rate)

    def identity(self):
        """The fields that a continued training must share with its beginning; steps where the schedule needs them."""
        free = _NOT_IDENTITY | ({"steps"} if self.schedule in ("inverse_sqrt", "constant") else set())
        return {name: value for name, value in json.loads(self.to_json()).items() if name not in free}

    def to_json(self):
        """As a JSON object."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text):
        """From what ``to_json`` gave; ValueError on unknown names or values out of range."""
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError(f"expected a JSON object for a TrainingConfig, got {type(values).__name__}")
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"expected the names of a TrainingConfig, got {unknown[0]!r}")
        return cls(**values)


def _is_chunk(value):
    return is_integer(value) and 1 <= value <= MOST_IN_A_CHUNK


def _is_part(value):
    return is_number(value) and 0 <= value < 1


def _are_two_parts(value):
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_part, value))

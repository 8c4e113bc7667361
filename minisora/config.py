"""The shape of a model: one frozen, validated dataclass, JSON in and out."""

import json
import reprlib
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

_LIMIT = 1 << 24  # no size of a model that fits a machine is larger


@dataclass(frozen=True, kw_only=True)
class SoraConfig:
    """Everything that decides the names and shapes of a model's parameters, and how it computes.

    Parameters
    ----------
    source_vocab_size, target_vocab_size : int
        Number of token ids on either side.
    d_model : int
        Width D of the vectors.
    num_heads : int
        H; divides d_model.
    num_encoder_layers, num_decoder_layers : int
    d_ff : int
        Width inside the feed-forward layer.
    dropout : float
        In [0, 1); on attention weights, sub-layer outputs, inside the feed-forward layer and on the embeddings.
    attention_dropout, feed_forward_dropout : float or None
        On attention weights, and inside the feed-forward layer; None: as ``dropout``.
    activation : {"relu", "gelu", "gelu_tanh"}
    norm : {"pre", "post"}
        Where LayerNorm stands.
    positions : {"sinusoidal", "learned"}
    max_len : int
        Longest source and longest target, in tokens.
    tie : {"none", "output", "all"}
        ``"output"``: the target embedding's table is also the projection to logits; ``"all"``: the source embedding's
        as well, which needs one vocabulary for both sides.
    norm_eps : float
        LayerNorm's eps.
    pad_id, bos_id, eos_id : int
        Ids of padding, beginning and end of a sequence.
    encoder : {"transformer", "rnn"}
        ``"rnn"``: recurrent layers with self-attention on top, see `minisora.layers.recurrent_encoder`.
    cell : {"rnn", "gru", "lstm"}
        Of the recurrent layers.
    bidirectional : bool
        Whether they read from both ends; d_model is then even.
    copy : bool
        Whether the decoder can copy tokens of the source, see `minisora.layers.copy_head`; needs one vocabulary for
        both sides.

    Raises
    ------
    ValueError
        For a value that is out of its range, in one sentence.
    """

    source_vocab_size: int
    target_vocab_size: int
    d_model: int = 128
    num_heads: int = 4
    num_encoder_layers: int = 3
    num_decoder_layers: int = 3
    d_ff: int = 512
    dropout: float = 0.1
    attention_dropout: float | None = None
    feed_forward_dropout: float | None = None
    activation: Literal["relu", "gelu", "gelu_tanh"] = "relu"
    norm: Literal["pre", "post"] = "pre"
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    max_len: int = 512
    tie: Literal["none", "output", "all"] = "none"
    norm_eps: float = 1e-5
    pad_id: int = 0
    bos_id: int = 1
    eos_id: int = 2
    encoder: Literal["transformer", "rnn"] = "transformer"
    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    bidirectional: bool = True
    copy: bool = False

    def __post_init__(self):
        for field in fields(self):
            _check_type(field.name, field.type, getattr(self, field.name))
        for name in ("pad_id", "bos_id", "eos_id"):
            sizes = min(self.source_vocab_size, self.target_vocab_size)
            if not 0 <= getattr(self, name) < sizes:
                raise ValueError(f"{name} is expected in the vocabulary, 0 .. {sizes - 1}, got {getattr(self, name)}")
        if len({self.pad_id, self.bos_id, self.eos_id}) < 3:
            raise ValueError(
                f"pad_id, bos_id and eos_id are expected to differ, got {self.pad_id}, {self.bos_id} and {self.eos_id}"
            )
        if self.d_model % self.num_heads:
            raise ValueError(
                f"d_model is expected to be a multiple of num_heads, got {self.d_model} and {self.num_heads}"
            )
        if self.encoder == "rnn" and self.bidirectional and self.d_model % 2:
            raise ValueError(
                f"d_model is expected to be even where the encoder reads from both ends, got {self.d_model}"
            )
        for name in ("dropout", "attention_dropout", "feed_forward_dropout"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ValueError(f"{name} is expected in [0, 1), got {value!r:.40}")
        if not 0 < self.norm_eps < 1:
            raise ValueError(f"norm_eps is expected in (0, 1), got {self.norm_eps!r:.40}")
        sizes = self.source_vocab_size, self.target_vocab_size
        if (self.tie == "all" or self.copy) and sizes[0] != sizes[1]:
            what = "tie='all'" if self.tie == "all" else "copy=True"
            raise ValueError(f"{what} needs one vocabulary for source and target, got sizes {sizes[0]} and {sizes[1]}")

    def to_json(self):
        """Return the configuration as JSON text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text):
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            For text that is no JSON object, for an unknown or missing name, and for a value out of its range.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"a configuration is expected as JSON, but: {error}") from error
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values):
        """Build a configuration from what `from_json` found in the text; the same is refused."""
        if not isinstance(values, dict):
            raise ValueError(f"a configuration is expected as a JSON object, got {type(values).__name__}")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(
                f"unknown in a configuration: {reprlib.repr(unknown)}; known are {', '.join(sorted(known))}"
            )
        if missing := sorted({"source_vocab_size", "target_vocab_size"} - set(values)):
            raise ValueError(f"a configuration needs {', '.join(missing)}")
        return cls(**values)


def _check_type(name, kind, value):
    if kind is int:
        smallest = 0 if name.endswith("_id") else 1
        if type(value) is not int or not smallest <= value <= _LIMIT:
            raise ValueError(f"{name} is expected as an integer in {smallest} .. {_LIMIT}, got {reprlib.repr(value)}")
    elif kind in (float, float | None):
        if type(value) not in (int, float) and (value is not None or kind is float):
            expected = "a number" if kind is float else "a number or None"
            raise ValueError(f"{name} is expected as {expected}, got {reprlib.repr(value)}")
    elif kind is bool:
        if type(value) is not bool:
            raise ValueError(f"{name} is expected as True or False, got {reprlib.repr(value)}")
    elif value not in get_args(kind):
        raise ValueError(f"{name} is expected to be one of {', '.join(get_args(kind))}, got {reprlib.repr(value)}")

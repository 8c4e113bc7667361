"""minisora: a from-scratch encoder-decoder Transformer for text.

Every layer is written by hand in NumPy, forward and backward. Names are loaded when they are first used;
``import minisora`` itself loads NumPy and nothing else.

The letters of every shape in this project
------------------------------------------
B batch · T target or query length · S source or key length · D model width (``d_model``) · H heads · V vocabulary ·
d_k, d_v width of one head's keys and values · d_ff width inside the feed-forward layer (Vaswani et al. 2017, table 3).

``scores`` are attention's values before the softmax, ``weights`` after it; ``logits`` are only over the vocabulary;
``memory`` is the encoder's output. The gradient of ``x`` is ``dx``; the one that comes in is ``dout``. Masks are
boolean: True = may be attended.
"""

from importlib import import_module

import numpy as np  # noqa: F401  (the one thing that importing minisora loads)

__version__ = "0.1.0"

_HOMES = {
    "SoraConfig": "minisora.config",
    "SoraModel": "minisora.model",
    "SoraTokenizer": "minisora.text.tokenizer",
    "CheckpointError": "minisora.checkpoint",
    "DropoutKey": "minisora.kernels",
    "Trainer": "minisora.training",
    "TrainingConfig": "minisora.training",
    "answer": "minisora.generation",
    "generate": "minisora.generation",
    "greedy": "minisora.generation",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'minisora' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return sorted({*globals(), *__all__})

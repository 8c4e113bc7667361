"""The narrow door to the hot path: attention's backends, and the randomness and array library that they share.

Installed as ``minisora.kernels``. Nothing here knows of layers or models.
"""

from minisora.kernels.array_module import array_module
from minisora.kernels.attention_cache import AttentionCache, AttentionSteps
from minisora.kernels.backends import Backend, backend_names, get_backend, get_elementwise
from minisora.kernels.numpy_attention import attention_backward, attention_forward, attention_steps
from minisora.kernels.random import DropoutKey, child, keep_mask

__all__ = [
    "AttentionCache",
    "AttentionSteps",
    "Backend",
    "DropoutKey",
    "array_module",
    "attention_backward",
    "attention_forward",
    "attention_steps",
    "backend_names",
    "child",
    "get_backend",
    "get_elementwise",
    "keep_mask",
]

"""Models in folders: save, load, and the names they go by.

A folder holds ``model.safetensors``, ``config.json``, ``tokenizer.json`` and, where the target has its own,
``target_tokenizer.json``. The first of them is complete in itself: config and tokenizers travel in its header, so that
replacing this one file replaces the model. The others are copies for people and programs to read; a copy that disagrees
is an error, a missing one is not.
"""

from minisora.checkpoint.copying import download
from minisora.checkpoint.description import Description, check_tokenizers
from minisora.checkpoint.folder import read_pointer, resolve
from minisora.checkpoint.loading import Pretrained, load, load_into, load_tokenizers
from minisora.checkpoint.saving import host, model_files, save, save_tokenizer
from minisora.plain_file import CheckpointError

__all__ = [
    "CheckpointError",
    "Description",
    "Pretrained",
    "check_tokenizers",
    "download",
    "host",
    "load",
    "load_into",
    "load_tokenizers",
    "model_files",
    "read_pointer",
    "resolve",
    "save",
    "save_tokenizer",
]

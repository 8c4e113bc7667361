"""The files of a model's folder, and the names that folders go by."""

import os
from pathlib import Path

from minisora.plain_file import CheckpointError, read_plain
from minisora.pretrained import bundled_folder, bundled_models

MODEL = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
TARGET_TOKENIZER = "target_tokenizer.json"
COPIES = (CONFIG, TOKENIZER, TARGET_TOKENIZER)  # of what the header of MODEL says, for people and programs to read
CARD = "README.md"
HUB = "hub:"
MAX_POINTER = 64  # bytes


def resolve(name_or_folder, revision=None):
    """The folder that holds ``model.safetensors``.

    Parameters
    ----------
    name_or_folder : str or path
        A bundled name, looked up first; ``hub:owner/name``; a model's folder or a training's.
    revision : str, optional
        Of a name on the hub; ``hub:owner/name@revision`` says the same.
    """
    folder = locate(name_or_folder, revision)
    if os.path.isfile(folder / MODEL):
        return folder
    for pointer in ("best", "latest"):
        if os.path.isfile(folder / pointer):
            return read_pointer(folder, pointer)
    names = ", ".join(f"sora/{name}" for name in bundled_models()) or "none here"
    got = str(name_or_folder)[:200]
    raise CheckpointError(f"expected a bundled model ({names}) or a folder with {MODEL}, got {got!r}")


def locate(name_or_folder, revision=None):
    """The folder of a name, whatever it holds."""
    name = name_or_folder if isinstance(name_or_folder, str) else ""
    if name.startswith(HUB):
        from minisora.checkpoint.hub import fetch

        return fetch(name, revision)
    if revision is not None:
        raise CheckpointError(f"only a name that begins with {HUB} has revisions, got {str(name_or_folder)[:200]!r}")
    return bundled_folder(name) or Path(name_or_folder)


def read_pointer(folder, pointer):
    """The folder that the one-line file ``pointer`` ("latest" or "best") of a training names."""
    path = Path(folder) / pointer
    name = (read_plain(path, MAX_POINTER) or "").strip()
    if not name.startswith("step-") or not name.removeprefix("step-").isdecimal():
        raise CheckpointError(f"{path} must hold the name of a checkpoint such as step-100, it holds {name[:40]!r}")
    if not (path.parent / name).is_dir() or (path.parent / name).is_symlink():
        raise CheckpointError(f"{path} names {name}, and there is no such checkpoint")
    return Path(folder) / name

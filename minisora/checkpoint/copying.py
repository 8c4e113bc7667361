"""A model by any of its names, checked and put into a folder."""

import os
from pathlib import Path

from minisora.checkpoint.folder import CARD, COPIES, HUB, MODEL, resolve
from minisora.checkpoint.loading import load
from minisora.files import copy_file, new_folder
from minisora.plain_file import open_plain


def download(name, folder, *, revision=None, layers=None):
    """Put a model into a new folder, byte for byte, once it has been found good.

    Parameters
    ----------
    name : str or path
        As `minisora.checkpoint.load` takes it.
    folder : str or path
        Appears complete or not at all.
    revision : str, optional
    layers : dict, optional

    Returns
    -------
    Pretrained

    Raises
    ------
    ValueError
        When the folder is there already, or the model cannot be loaded.
    """
    if os.path.lexists(folder):
        raise ValueError(f"expected a new folder, got {str(folder)!r}, which is there already")
    found = _with_card(name, revision)
    pretrained = load(found, layers=layers)
    there = {MODEL, *os.listdir(found)}
    with new_folder(folder) as temporary:
        for file in (MODEL, *COPIES, CARD):
            if file in there:
                with open_plain(found / file) as source:
                    copy_file(source, temporary / file)
    return pretrained


def _with_card(name, revision):
    """The model's folder; what lies on the hub is fetched together with its card."""
    if not str(name).startswith(HUB) or isinstance(name, Path):
        return resolve(name, revision)
    from minisora.checkpoint.hub import fetch

    return fetch(name, revision, (MODEL, *COPIES, CARD))

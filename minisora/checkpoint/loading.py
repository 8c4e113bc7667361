"""Reading a model's folder, trusting nobody: what a file says of itself is checked before a number of it is read."""

import os
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minisora.checkpoint.description import describe, read_json
from minisora.checkpoint.folder import MODEL, TARGET_TOKENIZER, TOKENIZER, locate, resolve
from minisora.checkpoint.implied import implied_arrays
from minisora.kernels import array_module
from minisora.plain_file import CheckpointError
from minisora.tensor_file import open_tensors

if TYPE_CHECKING:
    from minisora.model import SoraModel
    from minisora.text.tokenizer import SoraTokenizer


class Pretrained(NamedTuple):
    """What a folder holds."""

    model: "SoraModel"
    source_tokenizer: "SoraTokenizer"
    target_tokenizer: "SoraTokenizer"  # the same object as the source's where they share one


class NoDraws:
    """In the place of a random generator, for parameters that a file is about to fill: no time and no memory."""

    def uniform(self, low, high, size):
        """Zeros that take no memory."""
        return np.broadcast_to(np.float32(0), size)

    normal = uniform


def load(name_or_folder, *, layers=None, revision=None):
    """Read a model and its tokenizers.

    Parameters
    ----------
    name_or_folder : str or path
        A bundled model such as ``"sora/sora-base"``, looked up first; ``"hub:owner/name"`` or
        ``"hub:owner/name@revision"`` (extra ``hub``); else a folder that ``save`` wrote, or the folder of a training,
        of which the best checkpoint is taken, or the latest.
    layers : dict, optional
        Own layers in the place of the standard ones, as `SoraModel` takes them; a model that was saved with such needs
        them.
    revision : str, optional
        Branch, tag or commit of a model on the hub; its main branch when None.

    Returns
    -------
    Pretrained

    Raises
    ------
    CheckpointError
        In one sentence, when anything is missing, unreadable, not what the config implies, or not finite.
    """
    from minisora.model import SoraModel

    folder = resolve(name_or_folder, revision)
    with open_tensors(folder / MODEL) as file:
        description = describe(folder, file.header)
        _check_own(file.path, description.layers, layers or ())
        own = {*description.layers, *(layers or ())}
        dtype = _working_dtype(file, description.layers)
        _check_implied(file, description.config, own)
        rng = np.random.default_rng(0) if own else NoDraws()
        model = SoraModel(description.config, rng, layers=layers, dtype=dtype)
        parameters = {name: parameter.data for name, parameter in model.parameters()}
        _check_entries(file, {name: array.shape for name, array in parameters.items()})
        file.read_into(parameters)
    return Pretrained(model, description.source_tokenizer, description.target_tokenizer)


def load_into(folder, model, check):
    """Read the parameters of a model's folder into a model that is there, whatever layers it has.

    Parameters
    ----------
    folder : path
        As ``save`` wrote it.
    model : SoraModel
        Stays as it is when anything is wrong.
    check : function of Description
        Called before the arrays are read: it raises where the description is not the expected one.

    Raises
    ------
    CheckpointError
        As ``load`` does, and when names, shapes or types of the arrays are not those of ``model``.
    """
    with open_tensors(folder / MODEL) as file:
        description = describe(folder, file.header)
        check(description)
        _check_same_layers(file.path, description.layers, tuple(getattr(model, "replaced", ())))
        parameters = dict(model.parameters())
        _check_entries(file, {name: parameter.data.shape for name, parameter in parameters.items()})
        for name, entry in file.header.entries.items():
            expected = parameters[name].data.dtype
            if entry.dtype != expected:
                raise CheckpointError(f"{file.path} gives {name} as {entry.dtype}, the model has {expected}")
        arrays = file.arrays()
    for name, array in arrays.items():
        data = parameters[name].data
        data[...] = array_module(data).asarray(array)


def load_tokenizers(name_or_folder, revision=None):
    """The tokenizers of a model, source and target, or those of a folder that has no model; no array is read."""
    folder = locate(name_or_folder, revision)
    if not os.path.lexists(folder / MODEL) and os.path.lexists(folder / TOKENIZER):
        source, target = (_read_tokenizer(folder / name) for name in (TOKENIZER, TARGET_TOKENIZER))
        return source, target or source
    folder = resolve(folder)
    with open_tensors(folder / MODEL) as file:
        description = describe(folder, file.header)
    return description.source_tokenizer, description.target_tokenizer


def _read_tokenizer(path):
    from minisora.text.tokenizer import SoraTokenizer

    content = read_json(path)
    try:
        return None if content is None else SoraTokenizer.from_dict(content)
    except ValueError as error:
        raise CheckpointError(f"{path} is not a tokenizer: {error}") from None


def _named(layers):
    """Such as "attention layer", "attention and norm layers"."""
    *others, last = layers
    return f"{', '.join(others)} and {last} layers" if others else f"{last} layer"


def _check_own(path, saved, given):
    if missing := sorted(set(saved) - set(given)):
        raise CheckpointError(f"{path} was saved with its own {_named(missing)}; give layers={{...}}, or --layer")


def _check_same_layers(path, saved, own):
    if saved != own:
        saved, given = (f"its own {_named(names)}" if names else "no own layers" for names in (saved, own))
        raise CheckpointError(f"{path} was saved with {saved}, this model has {given}")


def _working_dtype(file, own_layers):
    """What to compute in; a layer of one's own may keep a parameter of another type than the rest."""
    dtypes = Counter(entry.dtype for entry in file.header.entries.values())
    if not dtypes or (len(dtypes) > 1 and not own_layers):
        raise CheckpointError(f"{file.path} must hold arrays of one type, it holds {len(dtypes)}")
    return np.float64 if dtypes.most_common(1)[0][0] == np.float64 else np.float32


def _check_implied(file, config, own):
    """Names and shapes must be those that the config implies, before a model is built from it.

    Of layers that are not the standard ones nothing is known in advance, but that a model has more arrays than layers.
    """
    entries = file.header.entries
    if config.num_encoder_layers + config.num_decoder_layers > len(entries):
        raise CheckpointError(f"{file.path} has fewer arrays than its config has layers")
    implied = {}
    for name, shape in implied_arrays(config, own):
        _check_entry(file, name, shape)
        implied[name] = shape
    if not own:
        _check_entries(file, implied)


def _check_entries(file, shapes):
    """Names and shapes must be exactly these."""
    for name, shape in shapes.items():
        _check_entry(file, name, shape)
    for name in file.header.entries:
        if name not in shapes:
            raise CheckpointError(f"{file.path} has {name[:80]!r}, which its config does not imply")


def _check_entry(file, name, expected):
    if name not in file.header.entries:
        raise CheckpointError(f"{file.path} has no {name}, which its config implies")
    shape = file.header.entries[name].shape
    if shape != expected:
        raise CheckpointError(f"{file.path} gives {name} the shape {shape} where its config implies {expected}")

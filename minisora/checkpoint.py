"""Models in folders: save, load, and the names they go by.

A folder holds ``model.safetensors``, ``config.json``, ``tokenizer.json`` and, where the target has its own,
``target_tokenizer.json``. The first of them is complete in itself: config and tokenizers travel in its header, so that
replacing this one file replaces the model. The others are copies for people and programs to read; a copy that disagrees
is an error, a missing one is not.
"""

import json
import math
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minisora.files import new_folder, replace_file, write_file
from minisora.kernels import array_module
from minisora.pretrained import bundled_folder, bundled_models
from minisora.tensor_file import CheckpointError, read_header, read_tensors, strict_json, tensors_to_bytes

if TYPE_CHECKING:
    from minisora.model import SoraModel
    from minisora.text.tokenizer import SoraTokenizer

__all__ = [
    "CheckpointError",
    "Pretrained",
    "check_tokenizers",
    "host",
    "load",
    "load_into",
    "model_files",
    "read_pointer",
    "resolve",
    "save",
]

MODEL = "model.safetensors"
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
TARGET_TOKENIZER = "target_tokenizer.json"
FORMAT = "minisora-model"
VERSION = 1
MAX_COPY = 1 << 24


class Pretrained(NamedTuple):
    """What a folder holds."""

    model: "SoraModel"
    source_tokenizer: "SoraTokenizer"
    target_tokenizer: "SoraTokenizer"  # the same object as the source's where they share one


class Description(NamedTuple):
    """Everything about a model but its numbers."""

    config: object
    source_tokenizer: object
    target_tokenizer: object
    layers: tuple = ()  # sorted names of those that are not the standard ones


def save(folder, model, source_tokenizer, target_tokenizer=None, *, dtype=None):
    """Write a model so that ``load`` gives it back.

    A new folder appears complete or not at all. In a folder that is already there the model is replaced at once by one
    rename, and files of other names stay.

    Parameters
    ----------
    folder : str or path
    model : SoraModel
    source_tokenizer, target_tokenizer : SoraTokenizer
        None: source and target share one.
    dtype : dtype, optional
        What the numbers are stored in; np.float16 halves the file (``load`` computes in float32 then).

    Raises
    ------
    ValueError
        When a parameter is not finite, a tokenizer does not have the size and the special ids that the config says, or
        files of another program would be lost.
    """
    folder = Path(folder)
    files = model_files(model, source_tokenizer, target_tokenizer, dtype=dtype)
    if not folder.exists():
        with new_folder(folder) as temporary:
            for name, data in files.items():
                write_file(temporary / name, data)
        return
    _refuse_foreign(folder)
    # The copies go first: between two renames none of them may contradict the model.
    for copy in (CONFIG, TOKENIZER, TARGET_TOKENIZER):
        (folder / copy).unlink(missing_ok=True)
    for name, data in files.items():
        replace_file(folder / name, data)


def model_files(model, source_tokenizer, target_tokenizer=None, *, dtype=None):
    """File name to bytes, the model first: what ``save`` writes."""
    if target_tokenizer is None:
        target_tokenizer = source_tokenizer
    check_tokenizers(model.config, source_tokenizer, target_tokenizer, ValueError)
    tensors = {}
    for name, parameter in model.parameters():
        with np.errstate(over="ignore"):  # what float16 cannot hold is found below
            tensors[name] = host(parameter.data).astype(dtype or parameter.data.dtype, copy=False)
        if not np.isfinite(tensors[name]).all():
            raise ValueError(f"expected finite parameters to save, got a non-finite value in {name}")
    own_target = target_tokenizer != source_tokenizer
    texts = {CONFIG: model.config.to_json(), TOKENIZER: source_tokenizer.to_json()}
    if own_target:
        texts[TARGET_TOKENIZER] = target_tokenizer.to_json()
    parts = {Path(name).stem: json.loads(text) for name, text in texts.items()}
    if replaced := getattr(model, "replaced", ()):
        parts["layers"] = list(replaced)
    description = json.dumps({"format": FORMAT, "version": VERSION, **parts}, ensure_ascii=False)
    return {
        MODEL: tensors_to_bytes(tensors, description),
        **{name: text.encode("utf-8") for name, text in texts.items()},
    }


def load(name_or_folder, *, layers=None):
    """Read a model and its tokenizers.

    Parameters
    ----------
    name_or_folder : str or path
        A bundled model such as ``"sora/sora-base"``, looked up first; else a folder that ``save`` wrote, or the folder
        of a training, of which the best checkpoint is taken, or the latest.
    layers : dict, optional
        Own layers in the place of the standard ones, as `SoraModel` takes them; a model that was saved with such needs
        them.

    Returns
    -------
    Pretrained

    Raises
    ------
    CheckpointError
        In one sentence, when anything is missing, unreadable, not what the config implies, or not finite.
    """
    folder = resolve(name_or_folder)
    path = folder / MODEL
    header = read_header(path)
    description = _describe(folder, header)
    if missing := sorted(set(description.layers) - set(layers or ())):
        raise CheckpointError(f"{path} was saved with its own {_named(missing)}; give layers={{...}}, or --layer")
    dtype = _working_dtype(header, path, description.layers)
    if _least_values(description) > sum(math.prod(entry.shape) for entry in header.entries.values()):
        raise CheckpointError(f"{path} holds fewer numbers than its config needs")
    from minisora.model import SoraModel

    model = SoraModel(description.config, np.random.default_rng(0), layers=layers, dtype=dtype)
    parameters = dict(model.parameters())
    _check_entries(header, parameters, path)
    for name, array in read_tensors(path, header):
        parameters[name].data[...] = array
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
    path = folder / MODEL
    header = read_header(path)
    description = _describe(folder, header)
    check(description)
    own = tuple(getattr(model, "replaced", ()))
    if description.layers != own:
        saved, given = (f"its own {_named(names)}" if names else "no own layers" for names in (description.layers, own))
        raise CheckpointError(f"{path} was saved with {saved}, this model has {given}")
    parameters = dict(model.parameters())
    _check_entries(header, parameters, path)
    for name, entry in header.entries.items():
        if entry.dtype != parameters[name].data.dtype:
            raise CheckpointError(f"{path} gives {name} as {entry.dtype}, the model has {parameters[name].data.dtype}")
    for name, array in dict(read_tensors(path, header)).items():
        data = parameters[name].data
        data[...] = array_module(data).asarray(array)


def resolve(name_or_folder):
    """The folder that holds ``model.safetensors``, for a bundled name, a model's folder or a training's folder."""
    bundled = bundled_folder(name_or_folder) if isinstance(name_or_folder, str) else None
    folder = bundled or Path(name_or_folder)
    if (folder / MODEL).is_file():
        return folder
    for pointer in ("best", "latest"):
        if (folder / pointer).is_file():
            return read_pointer(folder, pointer)
    names = ", ".join(f"sora/{name}" for name in bundled_models()) or "none here"
    raise CheckpointError(f"expected a bundled model ({names}) or a folder with {MODEL}, got {str(name_or_folder)!r}")


def read_pointer(folder, pointer):
    """The folder that the one-line file ``pointer`` ("latest" or "best") of a training names."""
    path = Path(folder) / pointer
    try:
        name = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from None
    if not name.startswith("step-") or not name.removeprefix("step-").isdecimal():
        raise CheckpointError(f"{path} must hold the name of a checkpoint such as step-100, it holds {name[:40]!r}")
    if not (path.parent / name).is_dir():
        raise CheckpointError(f"{path} names {name}, and there is no such checkpoint")
    return Path(folder) / name


def _describe(folder, header):
    """Config and tokenizers from the header, else from the files beside it."""
    path = folder / MODEL
    copies = {name: _read_copy(folder / name) for name in (CONFIG, TOKENIZER, TARGET_TOKENIZER)}
    if header.description is None:
        return _parse_description(copies, folder)
    try:
        fields = strict_json(header.description)
        known = isinstance(fields, dict) and fields.get("format") == FORMAT and fields.get("version") == VERSION
    except ValueError:
        known = False
    parts = {"format", "version", "config", "tokenizer", "target_tokenizer", "layers"}
    if not known or fields.keys() - parts or not _are_names(fields.get("layers", [])):
        raise CheckpointError(f"{path} describes its model in a way that this version does not understand")
    own = {name: json.dumps(fields[key]) if (key := Path(name).stem) in fields else None for name in copies}
    description = _parse_description(own, path)
    beside = {name: text for name, text in copies.items() if text is not None}
    if _parse_description({**own, **beside}, folder) != description:
        raise CheckpointError(
            f"the JSON files in {folder} and the header of {MODEL} disagree; delete those that are wrong"
        )
    return description._replace(layers=tuple(sorted(fields.get("layers", []))))


def _are_names(values):
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _named(layers):
    """Such as "attention layer", "attention and norm layers"."""
    *others, last = layers
    return f"{', '.join(others)} and {last} layers" if others else f"{last} layer"


def _parse_description(texts, place):
    """Config and tokenizers from their JSON texts."""
    from minisora.config import SoraConfig
    from minisora.text.tokenizer import SoraTokenizer

    for name in (CONFIG, TOKENIZER):
        if texts[name] is None:
            raise CheckpointError(f"{place} has no {name}")
    try:
        for text in filter(None, texts.values()):
            strict_json(text)
        config = SoraConfig.from_json(texts[CONFIG])
        source = SoraTokenizer.from_json(texts[TOKENIZER])
        target = source if texts[TARGET_TOKENIZER] is None else SoraTokenizer.from_json(texts[TARGET_TOKENIZER])
    except ValueError as error:
        raise CheckpointError(f"{place} does not describe a model: {error}") from None
    check_tokenizers(config, source, target, CheckpointError)
    return Description(config, source, target)


def _read_copy(path):
    """The text of a JSON file beside the model, None where there is none."""
    try:
        if not path.exists():
            return None
        if path.stat().st_size > MAX_COPY:
            raise CheckpointError(f"{path} has more than {MAX_COPY} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"cannot read {path}: {error}") from None


def _refuse_foreign(folder):
    """Files of another program stay; its model may be of a type that is not read here."""
    if (folder / MODEL).exists():
        try:
            foreign = MODEL if read_header(folder / MODEL).description is None else None
        except CheckpointError:
            foreign = MODEL
    else:  # where our own copies are, there is a model too: it comes first and goes last
        foreign = next((name for name in (CONFIG, TOKENIZER, TARGET_TOKENIZER) if (folder / name).exists()), None)
    if foreign:
        raise ValueError(f"expected a folder to save in, {folder / foreign} was not written by minisora or is damaged")


def check_tokenizers(config, source_tokenizer, target_tokenizer, error):
    """Raise ``error`` unless both tokenizers have the sizes and the special ids that a model's config says."""
    for side, tokenizer in (("source", source_tokenizer), ("target", target_tokenizer)):
        size = getattr(config, f"{side}_vocab_size")
        if tokenizer.vocab_size != size:
            raise error(
                f"expected a {side} tokenizer of {size} tokens, as the config says, got one of {tokenizer.vocab_size}"
            )
        for name in ("pad_id", "bos_id", "eos_id"):
            expected, got = getattr(config, name), getattr(tokenizer, name)
            if got != expected:
                raise error(f"expected a {side} tokenizer with {name} {expected}, as the config says, got {got}")


def _check_entries(header, parameters, path):
    """Names and shapes must be exactly those of the model."""
    for name in sorted(parameters.keys() | header.entries.keys()):
        if name not in header.entries:
            raise CheckpointError(f"{path} has no {name}, which its config implies")
        if name not in parameters:
            raise CheckpointError(f"{path} has {name[:80]!r}, which its config does not imply")
        shape, expected = header.entries[name].shape, parameters[name].data.shape
        if shape != expected:
            raise CheckpointError(f"{path} gives {name} the shape {shape} where its config implies {expected}")


def _working_dtype(header, path, own_layers):
    """What to compute in; a layer of one's own may keep a parameter of another type than the rest."""
    dtypes = Counter(entry.dtype for entry in header.entries.values())
    if not dtypes or (len(dtypes) > 1 and not own_layers):
        raise CheckpointError(f"{path} must hold arrays of one type, it holds {len(dtypes)}")
    return np.float64 if dtypes.most_common(1)[0][0] == np.float64 else np.float32


def _least_values(description):
    """A lower bound of the number of parameters: a header must not make us allocate what the file does not hold."""
    config, own = description.config, description.layers
    d = config.d_model
    attention = 0 if "attention" in own else 4 * d * d
    feed_forward = 0 if "feed_forward" in own else 2 * d * config.d_ff
    encoder = config.num_encoder_layers * (attention + feed_forward)
    if config.encoder == "rnn":
        gates = {"rnn": 1, "gru": 3, "lstm": 4}[config.cell]
        inner = d // 2 if config.bidirectional else d  # as many numbers in two halves as in one and a half squares
        encoder = config.num_encoder_layers * (d // inner) * gates * inner * (d + inner) + attention
    decoder = config.num_decoder_layers * (2 * attention + feed_forward)
    tables = config.target_vocab_size + (0 if config.tie == "all" else config.source_vocab_size)
    positions = 2 * config.max_len if config.positions == "learned" else 0
    copy_head = 2 * d * d if config.copy else 0
    return encoder + decoder + copy_head + (tables + positions) * d


def host(array):
    """The array in the computer's own memory."""
    xp = array_module(array)
    return array if xp is np else xp.asnumpy(array)

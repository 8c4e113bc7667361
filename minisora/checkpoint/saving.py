"""Writing a model's folder, so that a crash at whatever moment leaves a model that can be read."""

from pathlib import Path

import numpy as np

from minisora.checkpoint.description import MAX_COPY, check_tokenizers, description_text
from minisora.checkpoint.folder import CONFIG, COPIES, MODEL, TARGET_TOKENIZER, TOKENIZER
from minisora.files import new_folder, replace_file, write_file
from minisora.kernels import array_module
from minisora.plain_file import CheckpointError, read_plain
from minisora.tensor_file import read_header, tensors_to_bytes


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
    for copy in COPIES:
        (folder / copy).unlink(missing_ok=True)
    for name, data in files.items():
        replace_file(folder / name, data)


def model_files(model, source_tokenizer, target_tokenizer=None, *, dtype=None):
    """File name to bytes, the model first: what ``save`` writes."""
    if target_tokenizer is None:
        target_tokenizer = source_tokenizer
    check_tokenizers(model.config, source_tokenizer, target_tokenizer, ValueError)
    texts = {CONFIG: model.config.to_json(), TOKENIZER: source_tokenizer.to_json()}
    if target_tokenizer != source_tokenizer:
        texts[TARGET_TOKENIZER] = target_tokenizer.to_json()
    description = description_text(texts, getattr(model, "replaced", ()))
    return {
        MODEL: tensors_to_bytes(_finite_arrays(model, dtype), description),
        **{name: text.encode("utf-8") for name, text in texts.items()},
    }


def save_tokenizer(folder, tokenizer):
    """Write ``tokenizer.json`` alone; ValueError where the folder's model has another one, or the file is foreign."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / MODEL).exists():
        from minisora.checkpoint.loading import load_tokenizers

        if load_tokenizers(folder)[0] != tokenizer:
            raise ValueError(f"expected the tokenizer of the model in {folder}, got another one")
    elif _is_foreign_tokenizer(folder / TOKENIZER):
        raise ValueError(f"expected a folder to save in, {folder / TOKENIZER} was not written by minisora")
    replace_file(folder / TOKENIZER, tokenizer.to_json().encode("utf-8"))


def host(array):
    """The array in the computer's own memory."""
    xp = array_module(array)
    return array if xp is np else xp.asnumpy(array)


def _finite_arrays(model, dtype):
    """Name to array in the type that is stored; ValueError where a value is not finite, or does not fit the type."""
    tensors = {}
    for name, parameter in model.parameters():
        with np.errstate(over="ignore"):  # what float16 cannot hold is found below
            tensors[name] = host(parameter.data).astype(dtype or parameter.data.dtype, copy=False)
        if not np.isfinite(tensors[name]).all():
            raise ValueError(f"expected finite parameters to save, got a non-finite value in {name}")
    return tensors


def _refuse_foreign(folder):
    """Files of another program stay; its model may be of a type that is not read here."""
    if (folder / MODEL).exists():
        try:
            foreign = MODEL if read_header(folder / MODEL).description is None else None
        except CheckpointError:
            foreign = MODEL
    else:  # where our own copies are, there is a model too: it comes first and goes last
        foreign = next((name for name in (CONFIG, TARGET_TOKENIZER) if (folder / name).exists()), None)
        if _is_foreign_tokenizer(folder / TOKENIZER):
            foreign = TOKENIZER
    if foreign:
        raise ValueError(f"expected a folder to save in, {folder / foreign} was not written by minisora or is damaged")


def _is_foreign_tokenizer(path):
    """Whether another program wrote it: a tokenizer of ours may have been saved before the model it belongs to."""
    from minisora.text.tokenizer import SoraTokenizer

    try:
        text = read_plain(path, MAX_COPY)
        return text is not None and SoraTokenizer.from_json(text) is None
    except ValueError:
        return True

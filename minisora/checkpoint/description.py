"""Everything about a model but its numbers: in the header of its file, and in copies beside it."""

import json
from pathlib import Path
from typing import NamedTuple

from minisora.checkpoint.folder import CONFIG, COPIES, MODEL, TARGET_TOKENIZER, TOKENIZER
from minisora.plain_file import CheckpointError, read_plain
from minisora.strict_json import strict_json

FORMAT = "minisora-model"
VERSION = 1
PARTS = {"format", "version", "config", "tokenizer", "target_tokenizer", "layers"}
MAX_COPY = 1 << 24


class Description(NamedTuple):
    """Everything about a model but its numbers."""

    config: object
    source_tokenizer: object
    target_tokenizer: object
    layers: tuple = ()  # sorted names of those that are not the standard ones


def description_text(texts, layers):
    """What goes into the header: the parts, whose JSON texts are given by the name of their copy, and own layers."""
    parts = {Path(name).stem: json.loads(text) for name, text in texts.items()}
    if layers:
        parts["layers"] = list(layers)
    return json.dumps({"format": FORMAT, "version": VERSION, **parts}, ensure_ascii=False)


def describe(folder, header):
    """Config and tokenizers from the header of a folder's model, else from the copies beside it."""
    path = folder / MODEL
    copies = {name: read_json(folder / name) for name in COPIES}
    copies = {name: content for name, content in copies.items() if content is not None}
    if header.description is None:
        return parse(copies, folder)
    fields = _fields(header.description, path)
    own = {name: fields[key] for name in COPIES if (key := Path(name).stem) in fields}
    description = parse(own, path)
    if copies and parse({**own, **copies}, folder) != description:
        raise CheckpointError(
            f"the JSON files in {folder} and the header of {MODEL} disagree; delete those that are wrong"
        )
    return description._replace(layers=tuple(sorted(fields.get("layers", []))))


def read_json(path):
    """The object in a JSON file; None where there is no file."""
    text = read_plain(path, MAX_COPY)
    if text is None:
        return None
    try:
        content = strict_json(text)
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is not a JSON object")
    return content


def parse(parts, place):
    """Config and tokenizers from what their JSON texts hold, by the name of their copy."""
    from minisora.config import SoraConfig
    from minisora.text.tokenizer import SoraTokenizer

    for name in (CONFIG, TOKENIZER):
        if name not in parts:
            raise CheckpointError(f"{place} has no {name}")
    try:
        config = SoraConfig.from_dict(parts[CONFIG])
        source = SoraTokenizer.from_dict(parts[TOKENIZER])
        target = SoraTokenizer.from_dict(parts[TARGET_TOKENIZER]) if TARGET_TOKENIZER in parts else source
    except ValueError as error:
        raise CheckpointError(f"{place} does not describe a model: {error}") from None
    check_tokenizers(config, source, target, CheckpointError)
    return Description(config, source, target)


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


def _fields(description, path):
    """The object that a header's description is."""
    from minisora.layers.factory import LayerFactory

    try:
        fields = strict_json(description)
    except ValueError:
        fields = None
    known = isinstance(fields, dict) and fields.get("format") == FORMAT and fields.get("version") == VERSION
    layers = fields.get("layers", []) if known else []
    if not known or fields.keys() - PARTS or not isinstance(layers, list) or not _distinct(layers, LayerFactory.NAMES):
        raise CheckpointError(f"{path} describes its model in a way that this version does not understand")
    return fields


def _distinct(values, known):
    return all(isinstance(value, str) for value in values) and len(set(values) & set(known)) == len(values)

"""Byte-level BPE that was learnt elsewhere: the merges of a ``tokenizer.json`` of the library `tokenizers`.

That library panics on a file that is not as it expects, and a panic is no exception that a program could catch by its
name. So the file is read here, every part is compared with what is known to be right, and the library gets merges only.
"""

import json
import reprlib

from minisora.text.bpe import LONGEST, MOST
from minisora.text.bpe_library import BYTE_OF
from minisora.text.byte_pieces import FIRST_BYTE

PLAIN = ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix")  # must be absent, null or empty
FALSE = ("fuse_unk", "byte_fallback", "ignore_merges")
NORMALIZATIONS = {None: None, "NFKC": "nfkc"}


def read_library_file(text):
    """Merges as `BpeVocabulary` takes them, and the normalisation, of the file's text.

    The ids become ours: special and added tokens of the file are left out.

    Raises
    ------
    ValueError
        Unless it is byte-level BPE as GPT-2 has it, of which the vocabulary is what the merges make.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a tokenizer.json must be JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise ValueError("a tokenizer.json of the library tokenizers must be an object with a model")
    model = content["model"]
    _check_model(model)
    _check_pipeline(content)
    ids = _number(_pairs(model.get("merges")))
    _check_vocabulary(model.get("vocab"), ids, content.get("added_tokens", []))
    return [(ids[left], ids[right]) for left, right in _pairs(model["merges"])], NORMALIZATIONS[
        _type_of(content, "normalizer")
    ]


def _check_model(model):
    """Nothing but merges of bytes."""
    _expect("model.type", model.get("type"), "BPE")
    for name in PLAIN:
        _expect(f"model.{name}", model.get(name) or None, None)
    for name in FALSE:
        _expect(f"model.{name}", model.get(name, False), False)


def _check_pipeline(content):
    """What stands around the model must be what stands around ours."""
    _expect("pre_tokenizer.type", _type_of(content, "pre_tokenizer"), "ByteLevel")
    _expect("pre_tokenizer.add_prefix_space", content["pre_tokenizer"].get("add_prefix_space"), False)
    _expect("pre_tokenizer.use_regex", content["pre_tokenizer"].get("use_regex", True), True)
    for name in ("decoder", "post_processor"):
        _expect(f"{name}.type", _type_of(content, name), None, "ByteLevel")
    _expect("normalizer.type", _type_of(content, "normalizer"), *NORMALIZATIONS)


def _expect(name, value, *allowed):
    """Raise ValueError unless a part of the file has one of the values that are known."""
    if not any(value is known or (isinstance(known, str) and value == known) for known in allowed):
        known = " or ".join("null" if known is None else str(known) for known in allowed)
        raise ValueError(f"expected a tokenizer.json with {name} {known}, got {reprlib.repr(value)}")


def _type_of(content, name):
    """The type of a part, None where there is no such part."""
    part = content.get(name)
    if part is None:
        return None
    return part.get("type", "nothing") if isinstance(part, dict) else type(part).__name__


def _pairs(merges):
    """The merges as pairs of spelt pieces; older files write "a b" for ["a", "b"]."""
    if not isinstance(merges, list) or len(merges) > MOST:
        raise ValueError(f"expected a tokenizer.json with a list of at most {MOST} merges")
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    for pair in pairs:
        known = isinstance(pair, list) and len(pair) == 2 and all(isinstance(piece, str) for piece in pair)
        if not known:
            raise ValueError(f"expected merges of two pieces each, got {reprlib.repr(pair)}")
    return pairs


def _number(pairs):
    """Our ids by spelt piece: the bytes, then what the merges make, in their order."""
    ids = {character: FIRST_BYTE + byte for character, byte in BYTE_OF.items()}
    for left, right in pairs:
        if left not in ids or right not in ids:
            raise ValueError(f"expected merges of pieces that exist, got {reprlib.repr([left, right])}")
        if len(left) + len(right) > LONGEST:
            raise ValueError(f"expected pieces of at most {LONGEST} bytes, got {len(left) + len(right)}")
        ids.setdefault(left + right, FIRST_BYTE + len(ids))
    return ids


def _check_vocabulary(vocabulary, ids, added):
    """The file's own vocabulary must be made of the same pieces, and the tokens added to them."""
    if not isinstance(vocabulary, dict) or not isinstance(added, list):
        raise ValueError("expected a tokenizer.json with an object model.vocab and a list added_tokens")
    extra = {
        token.get("content") for token in added if isinstance(token, dict) and isinstance(token.get("content"), str)
    }
    if vocabulary.keys() - extra != ids.keys() - extra:
        raise ValueError("expected a model.vocab of the 256 bytes and what the merges make, got other pieces")
    if not all(type(token) is int and token >= 0 for token in vocabulary.values()):
        raise ValueError("expected ids from 0 in model.vocab")

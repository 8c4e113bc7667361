"""Files of the library `tokenizers`: the same pieces as it would give, and no file that makes it panic."""

import json
import random

import pytest

from minisora.text import SoraTokenizer

TEXTS = ["今天北京天气怎么样？", "hello world, hello", "it's 3.14, isn't it?"] * 4
JUNK = (
    None,
    True,
    -1,
    10**400,
    1.5,
    "",
    "a",
    "Ġ",
    "ByteLevel",
    [],
    {},
    [[]],
    ["a", "b"],
    {"type": "Whitespace"},
    "x" * 300,
)


def library_file(**parts):
    tokenizers = pytest.importorskip("tokenizers")
    encoder = tokenizers.Tokenizer(tokenizers.models.BPE())
    encoder.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    encoder.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=alphabet, special_tokens=["<s>"], show_progress=False
    )
    encoder.train_from_iterator(TEXTS, trainer)
    return encoder, json.dumps(json.loads(encoder.to_str()) | parts)


def test_the_same_pieces_as_the_library():
    encoder, text = library_file()
    ours = SoraTokenizer.from_library_json(text)
    for sample in (*TEXTS, "  two  spaces\n", "饕餮 e\u0301", "WORLD hello2"):
        expected = [encoder.decode([token]) for token in encoder.encode(sample).ids]
        pieces = [ours.decode([token]) for token in ours.encode(sample)]
        assert len(pieces) == len(expected)
        assert all(piece == other or "\ufffd" in other for piece, other in zip(pieces, expected, strict=True))
    assert ours.decode(ours.encode("<s>")) == "<s>" and len(ours.encode("<s>")) > 1  # the library would take one token


def test_older_files_write_merges_as_text():
    _, text = library_file()
    content = json.loads(text)
    content["model"]["merges"] = [" ".join(pair) for pair in content["model"]["merges"]]
    assert SoraTokenizer.from_library_json(json.dumps(content)) == SoraTokenizer.from_library_json(text)


def test_nfkc_is_kept():
    _, text = library_file(normalizer={"type": "NFKC"})
    assert SoraTokenizer.from_library_json(text).normalization == "nfkc"


@pytest.mark.parametrize(
    "parts, message",
    [
        ({"model": None}, "an object with a model"),
        ({"model": {"type": "Unigram"}}, "with model.type BPE, got 'Unigram'"),
        ({"pre_tokenizer": None}, "pre_tokenizer.type ByteLevel, got None"),
        ({"pre_tokenizer": {"type": "Split"}}, "pre_tokenizer.type ByteLevel, got 'Split'"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "add_prefix_space False, got True"),
        ({"normalizer": {"type": "Replace"}}, "normalizer.type null or NFKC, got 'Replace'"),
        ({"decoder": {"type": "Fuse"}}, "decoder.type null or ByteLevel, got 'Fuse'"),
        ({"post_processor": [3]}, "post_processor.type null or ByteLevel, got 'list'"),
    ],
)
def test_other_tokenizers_are_refused(parts, message):
    _, text = library_file(**parts)
    with pytest.raises(ValueError, match=message):
        SoraTokenizer.from_library_json(text)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"merges": [["a", "zz"]]}, "pieces that exist, got"),
        ({"merges": [["a"]]}, "two pieces each"),
        ({"merges": ["a b c"]}, "two pieces each"),
        ({"merges": {}}, "list of at most"),
        ({"merges": []}, "got other pieces"),
        ({"vocab": {"a": 0}}, "got other pieces"),
        ({"vocab": []}, "an object model.vocab"),
        ({"dropout": 0.5}, "model.dropout null, got 0.5"),
        ({"byte_fallback": 1}, "model.byte_fallback False, got 1"),
        ({"unk_token": "?"}, "model.unk_token null"),
    ],
)
def test_other_models_are_refused(changes, message):
    content = json.loads(library_file()[1])
    content["model"] |= changes
    with pytest.raises(ValueError, match=message):
        SoraTokenizer.from_library_json(json.dumps(content))


def test_damaged_files():
    """Whatever is not refused must encode; what is, is refused in one sentence."""
    text, dice, used = library_file()[1], random.Random(5), 0
    for _ in range(400):
        content = json.loads(text)
        holder = dice.choice([content, content["model"], content["model"]["vocab"], content["pre_tokenizer"]])
        if dice.random() < 0.3:
            holder = content["model"]["merges"]
            holder[dice.randrange(len(holder))] = dice.choice(JUNK)
        else:
            holder[dice.choice([*holder, "more"])] = dice.choice(JUNK)
        try:
            tokenizer = SoraTokenizer.from_library_json(json.dumps(content))
        except ValueError as error:
            assert "\n" not in str(error) and len(str(error)) < 300
        else:
            used += 1
            assert tokenizer.decode(tokenizer.encode("hello 今天")) == "hello 今天"
    assert 0 < used < 400
    for broken in ("", "[" * 100_000, "3", text[:-9]):
        with pytest.raises(ValueError, match=r"tokenizer\.json"):
            SoraTokenizer.from_library_json(broken)

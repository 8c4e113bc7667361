"""SoraTokenizer: what goes in comes out, and what cannot is refused in one sentence."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minisora.text import SoraTokenizer

WEATHER = SoraTokenizer.learn(["今天天气怎么样？", "明天呢"])
PHONES = SoraTokenizer.learn(["h ɛ l o", "w ɜ l d"], "whitespace")

scalar_values = st.text(st.characters(exclude_categories=["Cs"]))  # Cs: surrogates; astral planes included


def test_by_hand():
    tokenizer = SoraTokenizer.learn(["ba"])
    assert tokenizer.tokens[:5] == ["<pad>", "<s>", "</s>", "<unk>", "<sep>"]
    assert tokenizer.tokens[5] == "<0x00>" and tokenizer.tokens[260] == "<0xFF>"
    assert tokenizer.tokens[261:] == ["a", "b"]
    assert tokenizer.vocab_size == 263
    assert tokenizer.encode("abé") == [261, 262, 5 + 0xC3, 5 + 0xA9]


@settings(deadline=None)
@given(scalar_values)
def test_characters_lose_nothing(text):
    assert WEATHER.decode(WEATHER.encode(text, add_bos=True, add_eos=True)) == text


@settings(deadline=None)
@given(st.text("今天明 <s>\U0001f600\U00020000é\n\0"))
def test_characters_lose_nothing_where_known_and_unknown_alternate(text):
    assert WEATHER.decode(WEATHER.encode(text)) == text


@pytest.mark.parametrize("text", ["<s>", "<pad>", "</s>今天<unk>", "<sep>", "<0x41>"])
def test_the_name_of_a_special_token_is_text(text):
    assert min(WEATHER.encode(text)) >= 5
    assert WEATHER.decode(WEATHER.encode(text)) == text
    words = SoraTokenizer.learn([text], "whitespace")
    assert words.encode(text) == [5]
    assert words.decode([5]) == text


@pytest.mark.parametrize("tokenizer", [WEATHER, PHONES], ids=["characters", "whitespace"])
@pytest.mark.parametrize("text, index", [("\ud800", 0), ("今天\udfff", 2), ("\U0001f600a\udc00b", 2)])
def test_a_lone_surrogate_is_refused_with_its_index(tokenizer, text, index):
    with pytest.raises(ValueError, match=rf"lone surrogate U\+D[0-9A-F]+ at {index}$"):
        tokenizer.encode(text)
    with pytest.raises(ValueError, match="lone surrogate"):
        SoraTokenizer.learn([text], tokenizer.kind)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["h", "ɛ", "l", "o", "w"])))
def test_known_words_come_back(words):
    assert PHONES.decode(PHONES.encode(" ".join(words))) == " ".join(words)


def test_an_unknown_word_is_unk():
    ids = PHONES.encode("  h\tx\nl ")
    assert ids == [PHONES.encode("h")[0], PHONES.unk_id, PHONES.encode("l")[0]]
    assert PHONES.decode(ids, skip_special_tokens=False) == "h <unk> l"
    assert PHONES.decode(ids) == "h l"


def test_learning_depends_on_the_set_of_texts_alone():
    texts = ["明天", "今天", "b a"]
    for kind in ("characters", "whitespace"):
        assert SoraTokenizer.learn(texts, kind) == SoraTokenizer.learn(texts[::-1] * 2, kind)


def test_min_count_leaves_out_what_is_rare():
    assert SoraTokenizer.learn(["aab", "bc"], min_count=2).tokens[261:] == ["a", "b"]


def test_vocab_size_keeps_what_is_most_frequent():
    assert SoraTokenizer.learn(["dbaab", "cbd"], vocab_size=263).tokens[261:] == ["a", "b"]  # of a and d, a is first
    assert SoraTokenizer.learn(["x y y", "z"], "whitespace", vocab_size=6).tokens[5:] == ["y"]
    assert SoraTokenizer.learn(["ab"], vocab_size=261).vocab_size == 261
    for kind, size in (("characters", 260), ("characters", 300.0), ("whitespace", True), ("words", "9"), ("bpe", 100)):
        with pytest.raises(ValueError, match="vocab_size must be an integer of at least"):
            SoraTokenizer.learn(["ab"], kind, vocab_size=size)


def test_decode_shows_special_tokens_on_request():
    assert WEATHER.decode([1, *WEATHER.encode("今"), 4, 2, 0]) == "今"
    assert WEATHER.decode([1, *WEATHER.encode("今"), 4, 2, 0], skip_special_tokens=False) == "<s>今<sep></s><pad>"


def test_broken_utf8_becomes_the_replacement_character():
    lead = 5 + 0xE4  # the first of three bytes, the other two missing
    assert WEATHER.decode([lead, *WEATHER.encode("今"), 5 + 0x80]) == "\ufffd今\ufffd"


def test_tensors_and_batches():
    one = WEATHER.encode("今天", return_tensors="np")
    assert one.shape == (1, 2) and one.dtype == np.int64
    assert WEATHER.decode(one) == WEATHER.decode(one[0]) == "今天"
    texts = ["今天", "", "明天天气"]
    rows = WEATHER.encode(texts)
    batch = WEATHER.encode(texts, return_tensors="np")
    ids, mask = WEATHER.pad(rows)
    np.testing.assert_array_equal(batch, ids)
    assert ids.shape == mask.shape == (3, 4) and mask.dtype == bool
    assert mask.sum(axis=1).tolist() == [2, 0, 4]
    assert (ids[~mask] == WEATHER.pad_id).all() and ids[2].tolist() == rows[2]
    assert WEATHER.decode_batch(batch) == WEATHER.decode_batch(rows) == texts


def test_a_batch_of_nothing():
    assert WEATHER.encode([]) == []
    assert WEATHER.pad([]).ids.shape == (0, 0)
    assert WEATHER.encode("", return_tensors="np").shape == (1, 0)
    assert WEATHER.decode([]) == ""


@pytest.mark.parametrize("tokenizer", [WEATHER, PHONES], ids=["characters", "whitespace"])
def test_json_and_files(tokenizer, tmp_path):
    assert SoraTokenizer.from_json(tokenizer.to_json()) == tokenizer
    tokenizer.save(tmp_path / "tokenizer.json")
    assert SoraTokenizer.load(tmp_path / "tokenizer.json") == tokenizer
    assert SoraTokenizer.load(tmp_path / "tokenizer.json").tokens == tokenizer.tokens


def test_json_keeps_awkward_characters(tmp_path):
    tokenizer = SoraTokenizer.learn(['\0\r\n\u2028"\\\U0001f600\ufeff'])
    tokenizer.save(tmp_path / "tokenizer.json")
    assert SoraTokenizer.load(tmp_path / "tokenizer.json") == tokenizer


def changed(**fields):
    return json.dumps(json.loads(WEATHER.to_json()) | fields)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ("[]", "JSON object"),
        (changed(format="other"), "JSON object"),
        (changed(extra=1), "extra"),
        (changed(version=2), "version 1 is expected, got 2"),
        (changed(kind="syllables"), "got 'syllables'"),
        (changed(kind=["characters"]), "kind must be"),
        (changed(tokens="今天"), "list of strings, got str"),
        (changed(tokens=["今", 5]), "sequence of strings"),
        (changed(tokens=["今", "今"]), "'今' occurs more often"),
        (changed(tokens=["今天"]), "one Unicode scalar value, got '今天'"),
        (changed(tokens=["\ud800"]), "one Unicode scalar value"),
        (changed(kind="whitespace", tokens=["a b"]), "without white space, got 'a b'"),
        (changed(kind="whitespace", tokens=[""]), "without white space"),
        (changed(kind="whitespace", tokens=["\udc00"]), "without white space"),
    ],
)
def test_a_broken_file_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        SoraTokenizer.from_json(text)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: WEATHER.encode(5), "text must be a string, got int"),
        (lambda: WEATHER.encode(["今", None]), "text must be a string, got NoneType"),
        (lambda: WEATHER.encode("今", return_tensors="pt"), "got 'pt'"),
        (lambda: SoraTokenizer.learn("今天"), "got one string"),
        (lambda: SoraTokenizer.learn(["今天"], "syllables"), "got 'syllables'"),
        (lambda: WEATHER.decode([-1]), "from 0 to"),
        (lambda: WEATHER.decode([WEATHER.vocab_size]), "from 0 to"),
        (lambda: WEATHER.decode([1.0]), "integers, got float64"),
        (lambda: WEATHER.decode([True]), "integers, got bool"),
        (lambda: WEATHER.decode([[5], [6]]), r"got shape \(2, 1\)"),
        (lambda: WEATHER.decode(5), r"got shape \(\)"),
    ],
)
def test_a_mistake_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()

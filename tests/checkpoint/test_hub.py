"""Models on the hub: the real library against a hub on this computer, and without any."""

import os
import sys
from pathlib import Path

import pytest

from minisora.checkpoint import CheckpointError, load, model_files
from minisora.checkpoint.card import model_card
from minisora.checkpoint.hub import _sentence, parse_name

LOAD = "say(first(SoraModel.from_pretrained('hub:a/b'{})))"


def first(model):
    return float(next(parameter.data.flat[0] for _, parameter in model.parameters()))


def test_names():
    assert parse_name("hub:a/b") == ("a/b", None)
    assert parse_name("hub:a-1/B_2.0@v1.0") == ("a-1/B_2.0", "v1.0")
    assert parse_name("hub:a/b@refs/pr/1") == parse_name("hub:a/b", "refs/pr/1") == ("a/b", "refs/pr/1")


@pytest.mark.parametrize(
    "name",
    ["hub:", "hub:a", "hub:a/b/c", "hub:../b", "hub:a/..", "hub:a/b@", "hub:a/b@../../x", "hub:a/b@/etc", "hub:a/b@x/",
     "hub:a/b\n", "hub:a/b@a..b", "hub:天/气", "hub:a/b@-x", "hub:a//b", "hub:a/" + "b" * 900 + "?"],
)  # fmt: skip
def test_names_that_are_none(name):
    with pytest.raises(CheckpointError, match="expected hub:owner/name") as caught:
        load(name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_name_has_one_revision_and_a_folder_none(tmp_path):
    with pytest.raises(CheckpointError, match="expected hub:owner/name"):
        load("hub:a/b@v1", revision="v2")
    for name in ("sora/sora-base", tmp_path):
        with pytest.raises(CheckpointError, match="only a name that begins with hub: has revisions"):
            load(name, revision="v1")


def test_without_the_library_there_is_one_sentence(monkeypatch, small_model, source):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(CheckpointError, match=r'hub:a/b needs huggingface_hub: pip install "minisora\[hub\]"'):
        load("hub:a/b")
    with pytest.raises(CheckpointError, match="needs huggingface_hub"):
        small_model().push_to_hub("a/b", source)


def test_a_model_is_fetched_pinned_and_kept(hub, ask, small_files, small_model, source, target):
    """Only its files; a second time, and without a network, from the cache; a branch moves, a commit does not."""
    extra = {"pytorch_model.bin": b"cos\nsystem", "README.md": b"card", "folder/model.safetensors": b"no"}
    old = hub.commit("a/b", small_files(1) | extra)
    hub.commit("a/b", small_files(3), "v3")
    was, now = first(small_model(1, target=target)), first(small_model(2, target=target))
    assert ask(LOAD.format("")) == was
    fetched = {line.rpartition("/")[2] for line in hub.asked if "/resolve/" in line}
    assert fetched == {"model.safetensors", "config.json", "tokenizer.json", "target_tokenizer.json"}
    hub.commit("a/b", small_files(2))
    assert ask(LOAD.format("")) == now
    assert ask(LOAD.format(", revision='v3'")) == first(small_model(3, target=target))
    hub.asked.clear()
    assert ask(f"say(first(SoraModel.from_pretrained('hub:a/b@{old}')))") == was
    assert hub.asked == []  # a commit that is in the cache is not asked for
    assert ask(LOAD.format(""), HF_HUB_OFFLINE="1") == now
    assert (
        ask("t = SoraTokenizer.from_pretrained('hub:a/b', target=True); say(t.tokens)", HF_HUB_OFFLINE="1")
        == target.tokens
    )
    assert ask("say(SoraTokenizer.from_pretrained('hub:a/b').tokens)", HF_HUB_OFFLINE="1") == source.tokens
    hub.close()
    assert ask(LOAD.format("")) == now  # the hub does not answer any more
    if os.name != "nt":
        folder = Path(ask(f"say(str(resolve('hub:a/b@{old}')))"))
        assert (folder / "model.safetensors").is_symlink() and folder.name == old


def test_a_model_of_one_tokenizer_is_asked_for_once(hub, ask, small_model, source):
    """A commit is not asked for again because a file is missing that it never had."""
    files = model_files(small_model(1), source)
    oid = hub.commit("a/b", files)
    assert ask(f"say(first(SoraModel.from_pretrained('hub:a/b@{oid}')))") == first(small_model(1))
    hub.asked.clear()
    assert ask(f"say(first(SoraModel.from_pretrained('hub:a/b@{oid}')))") == first(small_model(1))
    assert hub.asked == []


def test_without_a_network_there_is_one_sentence(hub, ask):
    message = ask(LOAD.format(", revision='v1'"), HF_HUB_OFFLINE="1")
    assert message.startswith("hub:a/b@v1 is not in the hub's cache, and the hub gives no answer: ")
    assert hub.asked == []


def test_what_is_not_on_the_hub_is_one_sentence(hub, ask, small_files):
    assert ask(LOAD.format("")).startswith("cannot fetch hub:a/b: ")
    hub.commit("a/b", {"config.json": b"{}"})
    assert ask(LOAD.format("")) == "hub:a/b has no model.safetensors"
    assert ask(LOAD.format(", revision='none'")).startswith("cannot fetch hub:a/b@none: ")
    hub.commit("a/b", small_files() | {"tokenizer.json": b"[]"})
    assert "tokenizer.json is not a JSON object" in ask(LOAD.format(""))


def test_nothing_is_fetched_that_is_too_large(hub, ask, small_files):
    hub.commit("a/b", small_files())
    for name, size in (("model.safetensors", 1 << 33), ("config.json", 1 << 25), ("tokenizer.json", None)):
        hub.sizes = {name: size}
        assert ask(LOAD.format("")).startswith(f"hub:a/b has a {name} of {size} bytes, at most ")
    assert not [line for line in hub.asked if "/resolve/" in line]


PUSH = """
source, target = SoraTokenizer.learn(["今天"]), SoraTokenizer.learn(["a b"], "whitespace")
def make(target, seed):
    from minisora import SoraConfig
    sizes = {"source_vocab_size": source.vocab_size, "target_vocab_size": target.vocab_size}
    return SoraModel(SoraConfig(d_model=6, num_heads=2, d_ff=7, max_len=5, **sizes), np.random.default_rng(seed))
"""


def test_a_model_is_pushed_in_one_commit_and_comes_back(hub, ask):
    name = ask(PUSH + "say(make(target, 1).push_to_hub('a/b', source, target, private=True))")
    assert name == f"hub:a/b@{hub.branches['a/b']['main']}"
    _, files = hub.find("a/b", "main")
    assert sorted(files) == [
        ".gitattributes", "README.md", "config.json", "model.safetensors", "target_tokenizer.json", "tokenizer.json",
    ]  # fmt: skip
    assert 'SoraModel.from_pretrained("hub:a/b")' in files["README.md"].decode()
    assert len(hub.commits) == 2  # the repository was made, and then the model
    same = f"say(first(SoraModel.from_pretrained({name!r})) == first(make(target, 1)))"
    assert ask(PUSH + same) is True


def test_a_push_leaves_no_copy_of_another_model_and_keeps_the_card(hub, ask, small_files):
    hub.commit("a/b", small_files() | {"README.md": b"by hand", "notes.txt": b"mine"})
    ask(PUSH + "say(make(source, 1).push_to_hub('hub:a/b', source, dtype=np.float16))")
    _, files = hub.find("a/b", "main")
    assert sorted(files) == ["README.md", "config.json", "model.safetensors", "notes.txt", "tokenizer.json"]
    assert files["README.md"] == b"by hand"
    ask(PUSH + "say(make(source, 1).push_to_hub('a/b', source, card='new'))")
    assert hub.find("a/b", "main")[1]["README.md"] == b"new"
    assert (
        ask("say(str(SoraModel.from_pretrained('hub:a/b').encoder.embedded.embedding.table.data.dtype))") == "float32"
    )


def test_a_push_that_fails_is_one_sentence(hub, ask):
    hub.close()
    push = PUSH + "make(source, 1).push_to_hub('a/b', source)"
    assert ask(push).startswith("cannot push to hub:a/b: ")
    assert ask(push, HF_HUB_OFFLINE="1").startswith("cannot push to hub:a/b: ")
    assert ask(push.replace("a/b", "a/b@v1")) == "a model is pushed to its main branch, got the revision 'v1'"


def test_the_card_says_what_the_model_is(small_model):
    card = model_card(small_model(copy=True, encoder="rnn", cell="gru"), "a/b")
    assert "# a/b\n" in card and "recurrent (gru)" in card and "copies from the source" in card
    assert f"| parameters | {small_model(copy=True, encoder='rnn', cell='gru').num_parameters():,} |" in card
    assert card.startswith("---\nlibrary_name: minisora\n")


def test_an_exception_in_one_sentence():
    assert _sentence(OSError("404\n\n  not there")) == "404 not there"
    assert _sentence(OSError("")) == "OSError" and len(_sentence(OSError("x" * 999))) == 300

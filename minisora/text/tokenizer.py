"""SoraTokenizer: text to ids and back, with padding, batches and a file format."""

import json
import reprlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minisora.text.bpe import BpeVocabulary
from minisora.text.bpe_file import read_library_file
from minisora.text.characters import CharacterVocabulary
from minisora.text.checks import check_text
from minisora.text.normalization import check_form, normalize
from minisora.text.specials import BOS, EOS, PAD, SEP, SPECIALS, UNK
from minisora.text.whitespace import WhitespaceVocabulary
from minisora.text.words import WordVocabulary

KINDS = (CharacterVocabulary, WhitespaceVocabulary, WordVocabulary, BpeVocabulary)
VOCABULARIES = {vocabulary.kind: vocabulary for vocabulary in KINDS}
FORMAT = "minisora-tokenizer"
VERSION = 1


class Padded(NamedTuple):
    """Texts of different lengths as one array."""

    ids: np.ndarray  # (B, S) int64, pad_id where a text has ended
    mask: np.ndarray  # (B, S) bool, True where there is a token


class SoraTokenizer:
    """Map text to token ids and ids to text.

    The ids 0 to 4 are ``<pad>``, ``<s>`` (begin), ``</s>`` (end), ``<unk>`` and ``<sep>`` in every vocabulary.
    Text never maps to a special token: ``<s>`` in a text is three characters. Whoever wants one adds its id, as in
    ``tokenizer.encode(a) + [tokenizer.sep_id] + tokenizer.encode(b)``.

    Parameters
    ----------
    kind : {"characters", "whitespace", "words", "bpe"}
        ``"characters"``, ``"words"`` (found by a unigram model, `WordVocabulary`) and ``"bpe"`` (byte-pair encoding,
        `BpeVocabulary`) give back every text unchanged; what was not learnt takes one token per byte of its UTF-8 form.
        ``"whitespace"`` takes the words between white space, gives them back joined by one space, and maps a word that
        was not learnt to ``<unk>``.
    learnt : sequence
        What has a token of its own, in the order of the ids: characters, words, (word, log-probability) for
        ``"words"``, or merges of two ids for ``"bpe"``. `learn` finds them in texts.
    normalization : None, "nfkc" or "width"
        What is done to each text before it is encoded, learning included; `decode` cannot undo it.

    Examples
    --------
    >>> tokenizer = SoraTokenizer.learn(["今天天气"])
    >>> tokenizer.encode("今天")
    [261, 262]
    >>> tokenizer.decode([1, 261, 262, 2])
    '今天'
    """

    pad_id, bos_id, eos_id, unk_id, sep_id = PAD, BOS, EOS, UNK, SEP

    def __init__(self, kind, learnt, *, normalization=None):
        check_kind(kind)
        check_form(normalization)
        self._vocabulary = VOCABULARIES[kind](learnt)
        self.normalization = normalization

    @classmethod
    def _around(cls, vocabulary, normalization):
        tokenizer = cls.__new__(cls)
        tokenizer._vocabulary, tokenizer.normalization = vocabulary, normalization
        return tokenizer

    @classmethod
    def learn(cls, texts, kind="characters", *, min_count=1, vocab_size=None, normalization=None):
        """Build a vocabulary from texts.

        Parameters
        ----------
        texts : iterable of str
            Not one string. Their order makes no difference.
        kind : {"characters", "whitespace", "words", "bpe"}
        min_count : int
            What occurs less often gets no token.
        vocab_size : int, optional
            Most ids that there may be. None: no limit for characters and whitespace, 8000 for words and bpe.
        normalization : None, "nfkc" or "width"
        """
        check_kind(kind)
        check_form(normalization)
        if isinstance(texts, str):
            raise ValueError("texts must be a list of strings, got one string")
        prepared = []
        for text in texts:
            check_text(text)
            prepared.append(normalize(text, normalization))
        vocabulary = VOCABULARIES[kind].learn(prepared, min_count=min_count, vocab_size=vocab_size)
        return cls._around(vocabulary, normalization)

    @property
    def kind(self):
        """``"characters"``, ``"whitespace"``, ``"words"`` or ``"bpe"``."""
        return self._vocabulary.kind

    @property
    def tokens(self):
        """Label of each id: special tokens, then bytes as ``<0x41>``, then what was learnt."""
        return list(self._vocabulary.labels)

    @property
    def vocab_size(self):
        """Number of ids."""
        return len(self._vocabulary.labels)

    def __eq__(self, other):
        if not isinstance(other, SoraTokenizer):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self):
        return hash(self._identity())

    def _identity(self):
        return self.kind, self._vocabulary.learnt, self.normalization

    def __repr__(self):
        return f"SoraTokenizer(kind={self.kind!r}, vocab_size={self.vocab_size})"

    def encode(self, text, *, return_tensors=None, add_bos=False, add_eos=False):
        """Map a text, or a list of texts, to ids.

        Parameters
        ----------
        text : str or list of str
        return_tensors : None or "np"
            None gives lists; ``"np"`` one int64 array, padded with `pad_id`: (1, S) for a string, (B, S) for a list.
            `pad` gives the mask as well.
        add_bos, add_eos : bool
            Whether to put `bos_id` before and `eos_id` after each text.

        Raises
        ------
        ValueError
            If a text holds a lone surrogate (half of a UTF-16 pair, no character); the message names its index.
        """
        if return_tensors not in (None, "np"):
            raise ValueError(f'return_tensors must be None or "np", got {return_tensors!r}')
        texts = text if isinstance(text, list | tuple) else [text]
        before, after = [BOS] * add_bos, [EOS] * add_eos
        rows = []
        for entry in texts:
            rows.append([*before, *self._vocabulary.encode(self._prepared(entry)), *after])
        if return_tensors == "np":
            return self.pad(rows).ids
        return rows if texts is text else rows[0]

    def _prepared(self, text):
        check_text(text)
        return normalize(text, self.normalization)

    def offsets(self, text):
        """(start, stop) in characters of each token that `encode` makes of the text: ``text[start:stop]`` is its slice.

        Tokens that hold parts of one character share its place. With a normalisation the places are in the normalised
        text.
        """
        text = self._prepared(text)
        return self._vocabulary.offsets(text, self._vocabulary.encode(text))

    def labels(self, text, *, add_bos=False, add_eos=False):
        """What to write under each token that `encode` makes of the text: the slice of the text that it covers.

        A token that holds part of a character is shown with the place of its bytes: ``饕[1/3]`` is the first of three.
        """
        text = self._prepared(text)
        labels = self._vocabulary.labels_in(text, self._vocabulary.encode(text))
        return [*SPECIALS[BOS : BOS + add_bos], *labels, *SPECIALS[EOS : EOS + add_eos]]

    def pad(self, rows):
        """Put lists of ids into one array (B, S), S the longest, filled with `pad_id`; the mask is True at tokens."""
        lengths = np.array([len(row) for row in rows], np.int64)
        mask = np.arange(lengths.max(initial=0)) < lengths[:, None]  # (B, S)
        ids = np.full(mask.shape, PAD, np.int64)
        ids[mask] = [token for row in rows for token in row]
        return Padded(ids, mask)

    def decode(self, ids, *, skip_special_tokens=True):
        """Map the ids of one text, a list or an array (S,) or (1, S), to the text.

        Special tokens are left out, or shown by their labels where ``skip_special_tokens=False``. Byte tokens that form
        no valid UTF-8, which a model can produce, become U+FFFD, the replacement character.
        """
        ids = np.asarray(ids)
        if ids.ndim == 2 and len(ids) == 1:
            ids = ids[0]
        if ids.ndim != 1:
            raise ValueError(f"decode expects the ids of one text, of shape (S,) or (1, S), got shape {ids.shape}")
        if ids.size and ids.dtype.kind not in "iu":
            raise ValueError(f"token ids must be integers, got {ids.dtype}")
        if ids.size and not 0 <= ids.min() <= ids.max() < self.vocab_size:
            raise ValueError(f"token ids must be from 0 to {self.vocab_size - 1}, got {ids.min()} to {ids.max()}")
        first = len(SPECIALS) if skip_special_tokens else 0
        return self._vocabulary.decode(ids[ids >= first].tolist())

    def decode_batch(self, rows, *, skip_special_tokens=True):
        """Map several texts' ids, lists of any lengths or an array (B, S), to a list of texts."""
        return [self.decode(row, skip_special_tokens=skip_special_tokens) for row in rows]

    def to_json(self):
        """The tokenizer as JSON text; the special and the byte tokens are implied."""
        content = {"format": FORMAT, "version": VERSION, "kind": self.kind, **self._vocabulary.to_fields()}
        if self.normalization is not None:
            content["normalization"] = self.normalization
        return json.dumps(content, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text):
        """Build a tokenizer from the text that `to_json` made; anything else is a ValueError saying what is wrong."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"a tokenizer file must be JSON: {error}") from None
        return cls.from_dict(content)

    @classmethod
    def from_dict(cls, content):
        """Build a tokenizer from what `from_json` found in the text; the same is refused."""
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f'a tokenizer file must be a JSON object with "format": "{FORMAT}"')
        if content.get("version") != VERSION:
            got = reprlib.repr(content.get("version"))
            raise ValueError(f"a tokenizer file of version {VERSION} is expected, got {got}")
        check_kind(content.get("kind"))
        vocabulary = VOCABULARIES[content["kind"]]
        form = content.get("normalization")
        check_form(form)
        if set(content) - {"normalization"} != {"format", "version", "kind", *vocabulary.fields}:
            expected = " and ".join(vocabulary.fields)
            got = reprlib.repr(sorted(content))
            raise ValueError(f"a tokenizer file of {vocabulary.kind} has format, version, kind, {expected}, got {got}")
        fields = {name: content[name] for name in vocabulary.fields}
        return cls._around(vocabulary.from_fields(**fields), form)

    @classmethod
    def from_library_json(cls, text):
        """A tokenizer of kind ``"bpe"`` from a byte-level ``tokenizer.json`` of the library `tokenizers`.

        The merges are its own, the ids are ours; the file is checked, and anything else is a ValueError.
        """
        merges, normalization = read_library_file(text)
        return cls("bpe", merges, normalization=normalization)

    def save(self, path):
        """Write the tokenizer to a file, as JSON in UTF-8."""
        Path(path).write_text(self.to_json(), encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path):
        """Read a file that `save` wrote."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))

    @classmethod
    def from_pretrained(cls, name_or_folder, *, target=False, revision=None):
        """The tokenizer of a model, by any name that `SoraModel.from_pretrained` takes; no array is read.

        Parameters
        ----------
        name_or_folder : str or path
            Or a folder that `save_pretrained` wrote.
        target : bool
            The target's tokenizer; most models have one for both sides.
        revision : str, optional
            Branch, tag or commit on the hub.

        Raises
        ------
        CheckpointError
            In one sentence, when anything is missing or not as it should be.
        """
        from minisora.checkpoint import load_tokenizers

        return load_tokenizers(name_or_folder, revision)[bool(target)]

    def save_pretrained(self, folder):
        """Write ``tokenizer.json`` to a folder; where a model lies there, it must be the model's own tokenizer."""
        from minisora.checkpoint import save_tokenizer

        save_tokenizer(folder, self)


def check_kind(kind):
    """Raise ValueError unless kind names a vocabulary."""
    if not isinstance(kind, str) or kind not in VOCABULARIES:
        raise ValueError(f"kind must be one of {', '.join(map(repr, VOCABULARIES))}, got {reprlib.repr(kind)}")

"""SoraTokenizer: text to ids and back, with padding, batches and a file format."""

import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minisora.text.characters import CharacterVocabulary
from minisora.text.specials import BOS, EOS, PAD, SEP, SPECIALS, UNK
from minisora.text.whitespace import WhitespaceVocabulary

VOCABULARIES = {vocabulary.kind: vocabulary for vocabulary in (CharacterVocabulary, WhitespaceVocabulary)}
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
    kind : {"characters", "whitespace"}
        ``"characters"`` gives back every text unchanged; a character that was not learnt takes one token per byte of
        its UTF-8 form. ``"whitespace"`` takes the words between white space, gives them back joined by one space, and
        maps a word that was not learnt to ``<unk>``.
    learnt : sequence of str
        The characters or words that have a token of their own, in the order of their ids. `learn` finds them in texts.

    Examples
    --------
    >>> tokenizer = SoraTokenizer.learn(["今天天气"])
    >>> tokenizer.encode("今天")
    [261, 262]
    >>> tokenizer.decode([1, 261, 262, 2])
    '今天'
    """

    pad_id, bos_id, eos_id, unk_id, sep_id = PAD, BOS, EOS, UNK, SEP

    def __init__(self, kind, learnt):
        check_kind(kind)
        if isinstance(learnt, str) or not all(isinstance(token, str) for token in learnt):
            raise ValueError("the tokens of a vocabulary must be a sequence of strings")
        repeated = [token for token, count in Counter(learnt).items() if count > 1]
        if repeated:
            raise ValueError(f"each token of a vocabulary must occur once, {repeated[0]!r} occurs more often")
        self._vocabulary = VOCABULARIES[kind](learnt)

    @classmethod
    def learn(cls, texts, kind="characters", *, min_count=1):
        """Build the vocabulary of all characters, or words, that occur in texts at least min_count times.

        They are sorted, so that the ids depend on neither the order of the texts nor the counts.
        """
        check_kind(kind)
        if isinstance(texts, str):
            raise ValueError("texts must be a list of strings, got one string")
        counts = Counter()
        for text in texts:
            check_text(text)
            counts.update(VOCABULARIES[kind].split(text))
        return cls(kind, sorted(token for token, count in counts.items() if count >= min_count))

    @property
    def kind(self):
        """``"characters"`` or ``"whitespace"``."""
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
        return (self.kind, self._vocabulary.learnt) == (other.kind, other._vocabulary.learnt)

    def __hash__(self):
        return hash((self.kind, self._vocabulary.learnt))

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
            check_text(entry)
            rows.append([*before, *self._vocabulary.encode(entry), *after])
        if return_tensors == "np":
            return self.pad(rows).ids
        return rows if texts is text else rows[0]

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
        return self._vocabulary.decode([token for token in ids.tolist() if token >= first])

    def decode_batch(self, rows, *, skip_special_tokens=True):
        """Map several texts' ids, lists of any lengths or an array (B, S), to a list of texts."""
        return [self.decode(row, skip_special_tokens=skip_special_tokens) for row in rows]

    def to_json(self):
        """The tokenizer as JSON text; the special and the byte tokens are implied."""
        content = {"format": FORMAT, "version": VERSION, "kind": self.kind, "tokens": self._vocabulary.learnt}
        return json.dumps(content, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text):
        """Build a tokenizer from the text that `to_json` made; anything else is a ValueError saying what is wrong."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"a tokenizer file must be JSON: {error}") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f'a tokenizer file must be a JSON object with "format": "{FORMAT}"')
        if set(content) != {"format", "version", "kind", "tokens"}:
            raise ValueError(f"a tokenizer file has format, version, kind and tokens, got {sorted(content)}")
        if content["version"] != VERSION:
            raise ValueError(f"a tokenizer file of version {VERSION} is expected, got {content['version']!r}")
        if not isinstance(content["tokens"], list):
            raise ValueError(f"tokens must be a list of strings, got {type(content['tokens']).__name__}")
        return cls(content["kind"], content["tokens"])

    def save(self, path):
        """Write the tokenizer to a file, as JSON in UTF-8."""
        Path(path).write_text(self.to_json(), encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, path):
        """Read a file that `save` wrote."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))


def check_kind(kind):
    """Raise ValueError unless kind names a vocabulary."""
    if not isinstance(kind, str) or kind not in VOCABULARIES:
        raise ValueError(f"kind must be one of {', '.join(map(repr, VOCABULARIES))}, got {kind!r}")


def check_text(text):
    """Raise ValueError unless text is a string of Unicode scalar values."""
    if not isinstance(text, str):
        raise ValueError(f"text must be a string, got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X} at {error.start}"
        raise ValueError(f"text must be Unicode characters, got the lone surrogate {found}") from None

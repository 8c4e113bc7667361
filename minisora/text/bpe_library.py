"""The door to the library `tokenizers`: learn merges, and build an encoder from merges that were checked.

Its byte-level models spell a byte as a printable character; ids here and there are the same.
"""

import json
import re

from minisora.text.byte_pieces import FIRST_BYTE

BLOCK = 1 << 18  # characters: the library keeps about 200 bytes for each token of a text
# Between a letter or digit and one of these, no token of GPT-2's pattern goes on.
SEAM = re.compile(r"[^\W_](?=[ \n.,。，])")
PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
OTHERS = sorted(set(range(256)) - set(PRINTABLE))
SPELLING = {byte: chr(byte) for byte in PRINTABLE} | {byte: chr(256 + i) for i, byte in enumerate(OTHERS)}
BYTE_OF = {character: byte for byte, character in SPELLING.items()}


def library():
    """The module `tokenizers`, or a ValueError that says how to get it."""
    try:
        import tokenizers
    except ImportError:
        raise ValueError("the tokenizer 'bpe' needs the library tokenizers: pip install 'minisora[text]'") from None
    return tokenizers


def learn_merges(texts, room, min_count):
    """Merges as pairs of ids, at most ``room`` new tokens, of pairs that occur at least min_count times."""
    tokenizers = library()
    encoder = empty(tokenizers, tokenizers.models.BPE())
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=256 + room,
        min_frequency=min_count,
        initial_alphabet=alphabet,
        max_token_length=64,
        show_progress=False,
    )
    encoder.train_from_iterator(texts, trainer)
    ids = {bytes([byte]): FIRST_BYTE + byte for byte in range(256)}
    merges = []
    for pair in json.loads(encoder.to_str())["model"]["merges"]:
        left, right = (bytes(BYTE_OF[character] for character in piece) for piece in pair)
        merges.append((ids[left], ids[right]))
        ids.setdefault(left + right, FIRST_BYTE + len(ids))
    return merges


def build(pieces, merges):
    """An encoder of the library's, whose ids are ours.

    Parameters
    ----------
    pieces : list of bytes
        From id 5 on.
    merges : sequence of (int, int)
    """
    tokenizers = library()
    spelt = ["".join(SPELLING[byte] for byte in piece) for piece in pieces]
    vocabulary = {piece: FIRST_BYTE + i for i, piece in enumerate(spelt)}
    pairs = [(spelt[left - FIRST_BYTE], spelt[right - FIRST_BYTE]) for left, right in merges]
    return empty(tokenizers, tokenizers.models.BPE(vocab=vocabulary, merges=pairs))


def empty(tokenizers, model):
    """A byte-level encoder around a model; it knows no special tokens, and none would be found in a text."""
    encoder = tokenizers.Tokenizer(model)
    encoder.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    encoder.encode_special_tokens = True
    return encoder


def blocks(text):
    """A long text in parts, cut where the library would cut it in any case; without such a place, after 512k."""
    start = 0
    while len(text) - start > 2 * BLOCK:
        seam = SEAM.search(text, start + BLOCK, start + 2 * BLOCK)
        stop = seam.end() if seam else start + 2 * BLOCK
        yield text[start:stop]
        start = stop
    yield text[start:]

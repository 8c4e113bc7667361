"""``minisora bench tokenizers``: random strings there and back, by every kind of tokenizer that loses nothing.

The strings are made to be awkward: any Unicode scalar value, names of special tokens, accents without a letter, emoji
in families, controls, white space at the ends, beside Chinese and English. What is timed is encode and decode.
"""

import random
import time

import click

from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options

KINDS = ("characters", "words", "bpe")
LITERALS = ("<s>", "</s>", "<pad>", "<unk>", "<sep>", "<0x41>", "[CLS]", "<|endoftext|>", "\r\n", "\ufffd")
EMOJI = ("\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e8\U0001f1f3", "\u2600\ufe0f")
BLOCK = 10_000


class Scalars:
    """Every Unicode scalar value, as a sequence."""

    def __len__(self):
        return 0x110000 - 0x800

    def __getitem__(self, index):
        return chr(index if index < 0xD800 else index + 0x800)


SOURCES = (
    Scalars(),
    [chr(code) for code in range(0x21, 0x7F)],
    [chr(code) for code in range(0x4E00, 0xA000)],
    [chr(code) for code in range(0x300, 0x370)],  # combining
    [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))],  # controls
    " \t\n\r\u00a0\u2003\u3000\u200b\ufeff",
    EMOJI,
    LITERALS,
    ("今天", "天气", "北京", "怎么样", "？", "hello", " world", "don't", "2024"),
)


def random_strings(count, seed):
    """Yield strings of up to six pieces, each drawn from one of the sources."""
    dice = random.Random(seed)
    for _ in range(count):
        pieces = dice.choices(SOURCES, k=dice.randint(0, 6))
        yield "".join(["".join(dice.choices(piece, k=dice.randint(1, 4))) for piece in pieces])


@click.command()
@click.option("--count", default=1_000_000, show_default=True, type=click.IntRange(1), help="Strings for each kind.")
@click.option("--seed", default=0, show_default=True, help="Of the strings.")
@click.option("--vocab-size", default=2000, show_default=True, type=click.IntRange(1300), help="Of words and bpe.")
@record_options
def command(count, seed, vocab_size, smoke, as_json, out):
    """Random strings there and back through each kind of tokenizer: how many come back, and how fast."""
    here = machine()  # before our own load
    count, pairs = (min(count, 200), 500) if smoke else (count, 5000)
    rows = [row(kind, learn(kind, pairs, vocab_size), count, seed) for kind in KINDS]
    record = make_record(here, rows, "tokenizers", threads=1, count=count, seed=seed, smoke=smoke)
    publish(record, table(rows), as_json, out)
    if any(one["lost"] for one in rows):
        raise click.ClickException("some strings did not come back as they were")


def learn(kind, count, vocab_size):
    """A tokenizer from the first pairs of the corpus."""
    from minisora.text import SoraTokenizer
    from minisora.training.data import PairStream

    texts = [text for pair in PairStream().draw(0, count) for text in pair]
    return SoraTokenizer.learn(texts, kind, vocab_size=None if kind == "characters" else vocab_size)


def row(kind, tokenizer, count, seed):
    """Time and check the strings, block by block; making them is not timed."""
    seconds = size = tokens = lost = 0
    strings = random_strings(count, seed)
    for start in range(0, count, BLOCK):
        texts = [next(strings) for _ in range(min(BLOCK, count - start))]
        begin = time.perf_counter()
        rows = tokenizer.encode(texts)
        back = tokenizer.decode_batch(rows)
        seconds += time.perf_counter() - begin
        lost += sum(text != other for text, other in zip(texts, back, strict=True))
        size += sum(len(text.encode()) for text in texts)
        tokens += sum(map(len, rows))
    rates = {"strings_per_s": count / seconds, "mb_per_s": size / 1e6 / seconds}
    sizes = {"strings": count, "bytes": size, "tokens": tokens, "vocab_size": tokenizer.vocab_size, "lost": lost}
    return {"case": kind, "ours": seconds, **rates, **sizes}


def table(rows):
    """The result for people."""
    cells = [("there and back", "strings", "lost", "seconds", "strings/s", "MB/s")]
    for one in rows:
        times = f"{one['ours']:.1f}", f"{one['strings_per_s']:,.0f}", f"{one['mb_per_s']:.2f}"
        cells.append((one["case"], f"{one['strings']:,}", str(one["lost"]), *times))
    return lay_out(cells)

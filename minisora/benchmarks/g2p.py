"""``minisora bench g2p``: from spelling to sound, on the data of SIGMORPHON 2020's task 1.

Letters in (characters), phones out (whitespace-separated), 3,600 words to learn from. One seed, the checkpoint with the
lowest word error rate on dev, greedy decoding, beside what fairseq's Transformer reached in the shared task. The files
``LANGUAGE_train.tsv``, ``_dev`` and ``_test`` hold lines ``word<TAB>p h o n e s``; they are not part of minisora.

References
----------
Gorman et al., "The SIGMORPHON 2020 Shared Task on Multilingual Grapheme-to-Phoneme Conversion", 2020, the Transformer
baseline. Wu, Cotterell, Hulden, "Applying the Transformer to Character-level Transduction", 2021, for the settings:
large batches, high dropout, label smoothing.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

import click

from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options
from minisora.benchmarks.workers import Worker
from minisora.corpus import read_pairs, write_pairs

ORIGIN = "github.com/sigmorphon/2020, task1/data"
PUBLISHED = {  # test error rates in percent, fairseq's Transformer, 4+4 layers, beam 5
    "hun": {"wer": 5.33, "per": 1.28},
    "fre": {"wer": 6.89, "per": 1.72},
    "jpn": {"wer": 7.33, "per": 1.86},
}
MODEL = {"d_model": 128, "num_heads": 4, "d_ff": 512, "num_encoder_layers": 3, "num_decoder_layers": 3}
MODEL |= {"dropout": 0.3, "max_len": 64, "tie": "output"}
TRAINING = {"steps": 6000, "batch_tokens": 2048, "chunk_examples": 3600, "learning_rate": 1e-3, "warmup_steps": 400}
TRAINING |= {"schedule": "cosine", "final_rate": 0.02, "betas": (0.9, 0.98), "label_smoothing": 0.1}
TRAINING |= {"eval_every": 300, "save_every": 10**6, "select": "exact_match"}
SMOKE = {"d_model": 32, "num_heads": 2, "d_ff": 48, "num_encoder_layers": 1, "num_decoder_layers": 1, "dropout": 0.0}
SMOKE_TRAINING = {"steps": 300, "batch_tokens": 512, "learning_rate": 5e-3, "warmup_steps": 20, "eval_every": 100}


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Folder with LANGUAGE_train.tsv, _dev and _test.")
@click.option("--language", default="hun", show_default=True, help="hun, fre and jpn have published results.")
@click.option(
    "--threads", default=2, show_default=True, type=click.IntRange(1), help="Shards of a batch, side by side."
)
@click.option("--minutes", default=14.0, show_default=True, type=click.FloatRange(0, min_open=True), help="At most.")
@click.option("--steps", type=click.IntRange(1), help="Updates, in the place of the benchmark's own number.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@record_options
def command(data, language, threads, minutes, steps, seed, smoke, as_json, out):
    """Spelling to sound: word and phone error rates beside fairseq's Transformer."""
    here = machine()  # before our own load
    model, training = (MODEL | SMOKE, TRAINING | SMOKE_TRAINING) if smoke else (MODEL, TRAINING)
    training = training | {"seed": seed, "shards": threads} | ({"steps": steps} if steps else {})
    options = {"language": language, "model": model, "training": training, "minutes": minutes}
    with tempfile.TemporaryDirectory() as folder:
        if smoke and data is None:
            data = make_toy_language(Path(folder), language)
        check_data(data, language)
        options |= {"data": str(data), "folder": str(Path(folder) / "training")}
        with Worker("minisora.benchmarks.g2p:prepare", options, 1) as worker:
            result = worker.run()["value"]
    row = {"case": language, **result}
    if language in PUBLISHED and not smoke:
        row["published"] = {"fairseq Transformer, 4+4 layers, beam 5": PUBLISHED[language]}
    source = read_source(data)
    record = make_record(here, [row], source=source, threads=threads, model=model, training=training, smoke=smoke)
    publish(record, table(row, source), as_json, out)


def check_data(data, language):
    """Say which file is missing, before anything else begins."""
    if data is None:
        raise click.UsageError(f"expected --data, a folder with {language}_train.tsv, _dev and _test ({ORIGIN})")
    for part in ("train", "dev", "test"):
        if not (path := data / f"{language}_{part}.tsv").is_file():
            raise click.UsageError(f"no data: looked for {path} and found none ({ORIGIN})")


def read_source(data):
    """Where the data come from and on which terms, as the file beside them says."""
    path = data / "SOURCE.txt"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else f"no SOURCE.txt in {data}"


def table(row, source):
    """The result for people."""
    rows = [("", "WER %", "PER %"), ("minisora, greedy", f"{row['wer']:.2f}", f"{row['per']:.2f}")]
    rows += [(name, f"{rates['wer']:.2f}", f"{rates['per']:.2f}") for name, rates in row.get("published", {}).items()]
    end = f"{row['minutes']:.1f} minutes, {row['steps']} steps ({row['reason']})"
    lines = [
        f"{row['case']}: {row['words']} test words, seed {row['seed']}, {row['parameters']:,} parameters",
        f"{end}; best on dev at step {row['best_step']}, WER {row['dev_wer']:.2f} %",
    ]
    return "\n".join([*lines, "", lay_out(rows), "", source])


def prepare(data, language, model, training, minutes, folder):
    """Return the task that trains, chooses and tests; it runs in a process with BLAS on one thread for each shard."""

    def task():
        begin = time.monotonic()
        train, dev, test = (read_words(Path(data) / f"{language}_{part}.tsv") for part in ("train", "dev", "test"))
        result, progress = fit(train, dev, model, training, minutes, folder)
        best, test_rates = judge(folder, test)
        return {
            "wer": test_rates[0],
            "per": test_rates[1],
            "dev_wer": 100 * (1 - progress.best_score[0]),
            "words": len(test),
            "minutes": (time.monotonic() - begin) / 60,
            "parameters": best.num_parameters(),
            "steps": result.step,
            "best_step": result.best_step,
            "reason": result.reason,
            "seed": training["seed"],
        }

    return task


def read_words(path):
    """(word, phones) pairs, the phones with one space between."""
    return [(word, " ".join(phones.split())) for word, phones in read_pairs(path)]


def fit(train, dev, model, training, minutes, folder):
    """Train a new model; the best checkpoint on dev lies in the folder then."""
    import numpy as np

    from minisora.config import SoraConfig
    from minisora.model import SoraModel
    from minisora.text import SoraTokenizer
    from minisora.training import Trainer, TrainingConfig

    letters = SoraTokenizer.learn([word for word, _ in train])
    phones = SoraTokenizer.learn([target for _, target in train], "whitespace")
    sizes = {"source_vocab_size": letters.vocab_size, "target_vocab_size": phones.vocab_size}
    config = TrainingConfig(**training)
    sora = SoraModel(SoraConfig(**sizes, **model), np.random.default_rng(config.seed))
    trainer = Trainer(sora, train, letters, phones, config, dev=dev, folder=folder)
    return trainer.fit(max_minutes=minutes, progress_bar=sys.stderr.isatty()), trainer.progress


def judge(folder, test):
    """The best model, and its (word, phone) error rates on the test words."""
    from minisora.checkpoint import load
    from minisora.generation import answer

    model, letters, phones = load(folder)
    answers = answer(model, letters, phones, [word for word, _ in test], max_len=model.config.max_len)
    return model, error_rates([given.split() for given in answers], [target.split() for _, target in test])


def error_rates(answers, targets):
    """Return percentages: of words that are not all right, and of edits by phones of the targets."""
    wrong = sum(given != target for given, target in zip(answers, targets, strict=True))
    edits = sum(edit_distance(given, target) for given, target in zip(answers, targets, strict=True))
    return 100 * wrong / len(targets), 100 * edits / sum(map(len, targets))


def edit_distance(a, b):
    """Fewest insertions, deletions and substitutions that make b of a (Levenshtein 1966), row by row."""
    above = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
        above = row
    return above[-1]


def make_toy_language(folder, language):
    """Write a tiny language for --smoke: a letter a phone, but "sz" is one, and a letter twice is a long one."""
    rng = random.Random(0)
    for part, count in (("train", 200), ("dev", 20), ("test", 20)):
        words = ["".join(rng.choices("abdesz", k=rng.randint(2, 6))) for _ in range(count)]
        write_pairs(folder / f"{language}_{part}.tsv", [(word, pronounce(word)) for word in words])
    return folder


def pronounce(word):
    """The toy language's phones."""
    phones = []
    for letter in word:
        if phones and phones[-1] == letter:
            phones[-1] = f"{letter}ː"
        elif letter == "z" and phones and phones[-1] == "s":
            phones[-1] = "ʃ"
        else:
            phones.append(letter)
    return " ".join(phones)

"""``minisora bench g2p``: from spelling to sound, on the data of SIGMORPHON 2020's task 1.

Letters in (characters), phones out (whitespace-separated), 3,600 words to learn from. For each language several
trainings that differ by the seed alone, the checkpoint with the lowest word error rate on dev, beam search, beside what
fairseq's Transformer reached in the shared task; and the ensemble of the seeds. The files ``LANGUAGE_train.tsv``,
``_dev`` and ``_test`` hold lines ``word<TAB>p h o n e s``; they are not part of minisora.

References
----------
Gorman et al., "The SIGMORPHON 2020 Shared Task on Multilingual Grapheme-to-Phoneme Conversion", 2020, the Transformer
baseline. Wu, Cotterell, Hulden, "Applying the Transformer to Character-level Transduction", 2021, for the settings:
large batches, high dropout, label smoothing.
"""

import random
from functools import partial
from statistics import mean, stdev

import click

from minisora.benchmarks.long_runs import (
    begun,
    command_line,
    describe,
    digest,
    effort_note,
    long_options,
    new_trainer,
    place,
    read_source,
    stopped_note,
)
from minisora.benchmarks.record import lay_out, machine, make_record, publish
from minisora.corpus import read_pairs, write_pairs

ORIGIN = "github.com/sigmorphon/2020, task1/data"
PUBLISHED = {  # test error rates in percent, fairseq's Transformer, 4+4 layers, beam 5
    "hun": {"wer": 5.33, "per": 1.28},
    "fre": {"wer": 6.89, "per": 1.72},
    "jpn": {"wer": 7.33, "per": 1.86},
}
PARTS = ("train", "dev", "test")
MODEL = {"d_model": 128, "num_heads": 4, "d_ff": 512, "num_encoder_layers": 3, "num_decoder_layers": 3}
MODEL |= {"dropout": 0.3, "max_len": 64, "tie": "output"}
TRAINING = {"steps": 6000, "batch_tokens": 2048, "chunk_examples": 3600, "learning_rate": 1e-3, "warmup_steps": 400}
TRAINING |= {"schedule": "cosine", "final_rate": 0.02, "betas": (0.9, 0.98), "label_smoothing": 0.1}
TRAINING |= {"eval_every": 300, "save_every": 300, "select": "exact_match", "backend": "numba"}
BEAMS = 5
SMOKE = {"d_model": 32, "num_heads": 2, "d_ff": 48, "num_encoder_layers": 1, "num_decoder_layers": 1, "dropout": 0.0}
SMOKE_TRAINING = {"steps": 300, "batch_tokens": 512, "learning_rate": 5e-3, "warmup_steps": 20, "eval_every": 100}


@click.command()
@click.option("--language", "languages", multiple=True, default=tuple(PUBLISHED), show_default=True)
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings of each language.")
@long_options
@click.pass_context
def command(ctx, languages, seeds, data, folder, minutes, threads, steps, smoke, as_json, out):
    """Spelling to sound: word and phone error rates beside fairseq's Transformer."""
    here = machine()  # before our own load
    model, training = (MODEL | SMOKE, TRAINING | SMOKE_TRAINING) if smoke else (MODEL, TRAINING)
    training = training | {"shards": threads} | ({"steps": steps} if steps else {})
    languages = list(dict.fromkeys(languages))
    needed = [name for language in languages for name in files(language)]
    write_toy = partial(make_toy_languages, languages=languages)
    with begun(data, folder, minutes, smoke, write_toy, needed, ORIGIN) as (data, runs):
        rows = [measure(runs, name, seed, data, model, training) for name in languages for seed in range(seeds)]
        rows += [together(runs, name, data, model, training, seeds) for name in languages if seeds > 1]
        source = read_source(data)
    rows = [row for row in rows if row is not None]
    told = {"beams": BEAMS, "seeds": f"0 to {seeds - 1}"}
    settings = {"command": command_line(ctx), "model": model, "training": training, "stopped": runs.stopped, **told}
    head = f"{settings['command']}\n{describe(model, training, told)}"
    means = summary(rows)
    published = {} if smoke else {name: PUBLISHED[name] for name in means if name in PUBLISHED}
    record = make_record(
        here, rows, source=source, means=means, published=published, threads=threads, smoke=smoke, **settings
    )
    publish(record, f"{head}\n\n{table(rows, means, published)}\n\n{stopped_note(runs)}{source}", as_json, out)
    if runs.interrupted:
        ctx.exit(130)


def files(language):
    """Names of a language's files: train, dev, test."""
    return [f"{language}_{part}.tsv" for part in PARTS]


def measure(runs, language, seed, data, model, training):
    """The row of one training; None where the time ends before."""
    training = training | {"seed": seed}
    train, dev, test = (read_words(place(data, name)) for name in files(language))
    row = runs.row(
        f"{language}-{seed}",
        {"model": model, "training": training, "beams": BEAMS, "data": digest(data, files(language))},
        lambda home: begin(train, dev, home, model, training),
        lambda trainer: judge(trainer, dev, test),
    )
    return None if row is None else row | {"language": language, "seed": seed, "ensemble": False}


def read_words(path):
    """(word, phones) pairs, the phones with one space between."""
    return [(word, " ".join(phones.split())) for word, phones in read_pairs(path)]


def begin(train, dev, home, model, training):
    """A Trainer at its first step."""
    from minisora.text import SoraTokenizer

    letters = SoraTokenizer.learn([word for word, _ in train])
    phones = SoraTokenizer.learn([target for _, target in train], "whitespace")
    return new_trainer(train, (letters, phones), model, training, home, dev)


def judge(trainer, dev, test):
    """Error rates of the best checkpoint, on dev and on test."""
    from minisora.checkpoint import load

    best = load(trainer.folder)
    wer, per = rates(*best, test)
    return {
        "wer": wer,
        "per": per,
        "dev_wer": rates(*best, dev)[0],
        "greedy_wer": rates(*best, test, beams=1)[0],
        "words": len(test),
        "best_step": trainer.progress.best_step,
    }


def together(runs, language, data, model, training, seeds):
    """The row of a language's ensemble, the mean of the seeds' probabilities; None where one of them is missing."""
    from minisora.checkpoint import load
    from minisora.generation import Ensemble

    def make(home):
        members = [load(runs.folder / f"{language}-{seed}") for seed in range(seeds)]
        test = read_words(place(data, files(language)[-1]))
        wer, per = rates(Ensemble([one.model for one in members]), *members[0][1:], test)
        return {"case": home.name, "language": language, "ensemble": True, "seeds": seeds, "wer": wer, "per": per}

    settings = {"model": model, "training": training, "beams": BEAMS, "data": digest(data, files(language))}
    return runs.kept(f"{language}-ensemble-of-{seeds}", settings, make)


def rates(model, letters, phones, pairs, beams=BEAMS):
    """Word and phone error rate of a model on (word, phones) pairs."""
    from minisora.generation import answer

    words = [word for word, _ in pairs]
    answers = answer(model, letters, phones, words, max_len=model.config.max_len, beams=beams, batch_size=64 * beams)
    return error_rates([given.split() for given in answers], [target.split() for _, target in pairs])


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


def summary(rows):
    """Of each language the mean and the spread over the seeds, and its ensemble."""
    means = {}
    for language in dict.fromkeys(row["language"] for row in rows):
        one = [row for row in rows if row["language"] == language]
        seeds, ensemble = [row for row in one if not row["ensemble"]], [row for row in one if row["ensemble"]]
        means[language] = {"seeds": len(seeds)}
        for rate in ("wer", "per"):
            values = [row[rate] for row in seeds]
            means[language][rate] = mean(values)
            means[language][f"{rate}_spread"] = stdev(values) if len(values) > 1 else None
            means[language][f"ensemble_{rate}"] = ensemble[0][rate] if ensemble else None
    return means


def table(rows, means, published):
    """The result for people: a line for each language, and the mean of all of them."""
    cells = [("WER / PER, %", "minisora", "spread", "ensemble", "fairseq, published")]
    for language, one in means.items():
        names = ("wer", "per"), ("wer_spread", "per_spread"), ("ensemble_wer", "ensemble_per")
        ours = (pair(one, *two) for two in names)
        cells.append((f"{language}, {one['seeds']} seeds", *ours, pair(published.get(language, {}), "wer", "per")))
    if len(published) > 1:
        beside = {language: means[language] for language in published}
        alone, ensemble = mean_of(beside, "wer", "per"), mean_of(beside, "ensemble_wer", "ensemble_per")
        cells.append(("mean", alone, "", ensemble, mean_of(published, "wer", "per")))
    return f"{lay_out(cells)}\n\n{effort_note([row for row in rows if not row['ensemble']])}"


def pair(values, *names):
    """Two rates, or a dash where one is missing."""
    found = [values.get(name) for name in names]
    return "-" if None in found else " / ".join(f"{value:.2f}" for value in found)


def mean_of(rows, *names):
    """The means of two rates over the languages; a dash where one is missing."""
    found = {name: [row.get(name) for row in rows.values()] for name in names}
    return pair({name: None if None in values else mean(values) for name, values in found.items()}, *names)


def make_toy_languages(folder, languages):
    """Write tiny languages for --smoke: a letter a phone, but "sz" is one, and a letter twice is a long one."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, language in enumerate(languages):
        rng = random.Random(number)
        for part, size in (("train", 200), ("dev", 20), ("test", 20)):
            words = ["".join(rng.choices("abdesz", k=rng.randint(2, 6))) for _ in range(size)]
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

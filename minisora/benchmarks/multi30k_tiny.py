"""The second part of ``minisora bench multi30k``: a tiny Transformer, English to German, and how BLEU grows."""

from pathlib import Path

import click

from minisora.benchmarks.long_runs import describe, effort_note, flat, new_trainer
from minisora.benchmarks.multi30k_data import TESTS, bleu, read_part
from minisora.benchmarks.record import lay_out

MODEL = {
    "d_model": 128, "num_heads": 4, "num_encoder_layers": 4, "num_decoder_layers": 4, "d_ff": 256, "dropout": 0.3,
    "attention_dropout": 0.0, "feed_forward_dropout": 0.0, "max_len": 160, "tie": "all",
}  # fmt: skip
VOCABULARY = 10_000  # of the byte-pair encoding that both languages share
TRAINING = {
    "steps": 8000, "batch_tokens": 8192, "chunk_examples": 29_000, "learning_rate": 5e-3, "warmup_steps": 2000,
    "schedule": "inverse_sqrt", "betas": (0.9, 0.98), "label_smoothing": 0.1, "eval_every": 0, "save_every": 200,
    "backend": "numba",
}  # fmt: skip
AVERAGED = 10  # last checkpoints
LOOK_EVERY = 500  # steps
BEAMS, LENGTH_PENALTY = 5, 1.0
PUBLISHED = {"test_2016_flickr": 41.02}
SMOKE = {"d_model": 16, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "d_ff": 24, "max_len": 400}
SMOKE_TRAINING = {"steps": 20, "batch_tokens": 256, "chunk_examples": 120, "warmup_steps": 10, "save_every": 5}


def settings(options):
    """What decides the numbers of this part, as plain values."""
    model, training = MODEL, TRAINING
    own = {"vocabulary": VOCABULARY, "every": LOOK_EVERY, "averaged": AVERAGED, "most": None}
    if options["smoke"]:
        model, training = MODEL | SMOKE, TRAINING | SMOKE_TRAINING
        own = {"vocabulary": 300, "every": 10, "averaged": 2, "most": 40}
    steps = options["steps"] or training["steps"]
    own["averaged"] = averaged = min(own["averaged"], steps // training["save_every"])
    if averaged < 1:
        raise click.UsageError(f"expected --steps of at least {training['save_every']}, got {steps}")
    training = training | {"steps": steps, "seed": options["seed"], "shards": options["threads"]}
    training |= {"keep": averaged + 1}  # the last one may be at no multiple of save_every
    judging = {"beams": BEAMS, "length_penalty": LENGTH_PENALTY}
    return {"model": model, "training": training, **own, **judging, "digest": options["digest"]}


def measure(runs, options):
    """The row: read where it is finished, else the training gone on with; None where the time ends before."""
    data, about = Path(options["data"]), settings(options)
    row = runs.row(
        f"tiny-{options['seed']}",
        about,
        lambda folder: begin(data, folder, about),
        lambda trainer: judge(trainer, data, about),
        look=lambda trainer: {"bleu": look(trainer, data, about["most"])},
        every=about["every"],
    )
    return row and row | {"settings": about, "published": {} if options["smoke"] else PUBLISHED}


def begin(data, folder, about):
    """A Trainer at its first step."""
    from minisora.text import SoraTokenizer

    pairs = read_part(data, "train", "en", "de")
    texts = [text for pair in pairs for text in pair]
    tokenizer = SoraTokenizer.learn(texts, "bpe", vocab_size=about["vocabulary"])
    return new_trainer(pairs, (tokenizer, tokenizer), about["model"], about["training"], folder)


def look(trainer, data, most):
    """BLEU on the validation part as the model stands, by greedy decoding."""
    return translate(trainer.model, trainer.source_tokenizer, read_part(data, "val", "en", "de", most))[0]


def judge(trainer, data, about):
    """BLEU of every test part, by the mean of the last checkpoints and beam search; of the first part also without."""
    from minisora.training import average_checkpoints, last_checkpoints

    tests = {part: read_part(data, part, "en", "de", about["most"]) for part in TESTS}
    tokenizer, every = trainer.source_tokenizer, trainer.config.save_every
    mean = average_checkpoints(last_checkpoints(trainer.folder, about["averaged"], every))
    mean.model.use_backend("numba")
    scores = {part: translate(mean.model, tokenizer, pairs, BEAMS) for part, pairs in tests.items()}
    first = tests[TESTS[0]]
    return {
        "bleu": {part: score for part, (score, _) in scores.items()},
        "signature": scores[TESTS[0]][1],
        "last_alone": translate(trainer.model, tokenizer, first, BEAMS)[0],
        "greedy": translate(mean.model, tokenizer, first)[0],
    }


def translate(model, tokenizer, pairs, beams=1):
    """(BLEU, signature) of the translations of pairs' sources."""
    from minisora.generation import answer

    sources = [source for source, _ in pairs]
    answers = answer(
        model, tokenizer, tokenizer, sources, beams=beams, length_penalty=LENGTH_PENALTY, batch_size=64 * beams
    )
    return bleu(answers, pairs)


def table(row):
    """The row for people."""
    cells = [("BLEU, en-de", *TESTS)]
    about = row["settings"]
    cells.append((f"minisora, mean of {about['averaged']} checkpoints, beam {about['beams']}", *per_test(row["bleu"])))
    if row["published"]:
        cells.append(("published, Transformer-tiny", *per_test(row["published"])))
    curve = ", ".join(f"{one['bleu']:.1f} ({one['minutes'] / 60:.1f} h)" for one in row["curve"])
    head = f"{describe(flat(about))}\n\n{row['parameters']:,} parameters, {effort_note([row])}\n{row['signature']}"
    alone = f"{TESTS[0]}: the last checkpoint alone {row['last_alone']:.2f}, the mean read greedily {row['greedy']:.2f}"
    return f"{head}\n{alone}\n\n{lay_out(cells)}\n\non the validation part, greedy: {curve}"


def per_test(scores):
    return (f"{scores[part]:.2f}" if part in scores else "-" for part in TESTS)

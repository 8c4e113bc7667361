"""``minisora bench scan``: commands into actions, and whether what was learnt carries over to what was not seen.

"jump twice after walk left" becomes I_TURN_LEFT I_WALK I_JUMP I_JUMP. Three splits: ``simple`` holds out commands at
random; ``jump`` shows "jump" alone in training and asks for it in longer commands; ``length`` trains on short action
sequences and asks for long ones. A plain Transformer learns the first and fails in the others; so does this one. The
decoder reads its own tokens, not the right ones; an answer counts when it is right from its first action to its end.

References
----------
Lake, Baroni, "Generalization without Systematicity", 2018, experiments 1 to 3. Ontanon et al., "Making Transformers
Solve Compositional Tasks", 2022, and Csordas et al., "The Devil is in the Detail", 2021, for Transformers on it.
"""

import itertools
import random

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
from minisora.files import replace_file

ORIGIN = "github.com/brendenlake/SCAN"
SPLITS = {"simple": "simple", "jump": "addprim_jump", "length": "length"}
PUBLISHED = {"simple": "about 100", "jump": "about 1", "length": "about 0"}  # percent, plain Transformers
MODEL = {
    "d_model": 128, "num_heads": 8, "num_encoder_layers": 3, "num_decoder_layers": 3, "d_ff": 256, "dropout": 0.1,
    "max_len": 64,
}  # fmt: skip
TRAINING = {
    "steps": 5000, "batch_tokens": 4096, "chunk_examples": 4096, "learning_rate": 1e-3, "warmup_steps": 500,
    "schedule": "cosine", "final_rate": 0.02, "betas": (0.9, 0.98), "eval_every": 0, "save_every": 500,
    "backend": "numba",
}  # fmt: skip
SMOKE = {"d_model": 16, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "d_ff": 24, "dropout": 0.0}
SMOKE_COMMANDS = 200  # of a test part
SMOKE_TRAINING = {"steps": 60, "batch_tokens": 512, "learning_rate": 5e-3, "warmup_steps": 10, "save_every": 20}


@click.command()
@click.option("--split", "splits", multiple=True, default=tuple(SPLITS), show_default=True, type=click.Choice(SPLITS))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@long_options
@click.pass_context
def command(ctx, splits, seed, data, folder, minutes, threads, steps, smoke, as_json, out):
    """SCAN: commands to actions; the share of test commands that are right from the first action to the end."""
    here = machine()  # before our own load
    model, training = (MODEL | SMOKE, TRAINING | SMOKE_TRAINING) if smoke else (MODEL, TRAINING)
    training = training | {"seed": seed, "shards": threads} | ({"steps": steps} if steps else {})
    most, needed = SMOKE_COMMANDS if smoke else None, [name for split in splits for name in files(split)]
    with begun(data, folder, minutes, smoke, write_toy, needed, ORIGIN) as (data, runs):
        rows = [measure(runs, split, data, model, training, most) for split in dict.fromkeys(splits)]
        source = read_source(data)
    rows = [row for row in rows if row is not None]
    settings = {"command": command_line(ctx), "threads": threads, "model": model, "training": training}
    head = f"{settings['command']}\n{describe(model, training)}"
    record = make_record(here, rows, source=source, stopped=runs.stopped, smoke=smoke, **settings)
    publish(record, f"{head}\n\n{table(rows)}\n\n{stopped_note(runs)}{source}", as_json, out)
    if runs.interrupted:
        ctx.exit(130)


def measure(runs, split, data, model, training, most):
    """The row of a split, of the first ``most`` test commands; None where the time ends before."""
    settings = {"model": model, "training": training, "most": most, "data": digest(data, files(split))}
    train, test = (read_commands(place(data, name)) for name in files(split))
    row = runs.row(
        f"{split}-{training['seed']}",
        settings,
        lambda home: begin(train, home, model, training),
        lambda trainer: judge(trainer, test[:most]),
    )
    published = PUBLISHED[split] if most is None else "-"
    return row and row | {"case": split, "seed": training["seed"], "published": published}


def files(split):
    """Names of a split's files: train, test."""
    return [file_name(part, split) for part in ("train", "test")]


def file_name(part, split):
    """As the repository calls it."""
    return f"tasks_{part}_{SPLITS[split]}.txt"


def read_commands(path):
    """Pairs (command, actions) from lines "IN: ... OUT: ..."; ValueError names a line that is none."""
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        head, middle, actions = line.partition(" OUT: ")
        if not head.startswith("IN: ") or not middle:
            raise ValueError(f"{path}:{number}: expected IN: command OUT: actions, got {line[:40]!r}")
        pairs.append((head.removeprefix("IN: "), actions.strip()))
    return pairs


def begin(train, home, model, training):
    """A Trainer at its first step."""
    from minisora.text import SoraTokenizer

    tokenizers = [SoraTokenizer.learn(texts, "whitespace") for texts in zip(*train, strict=True)]
    return new_trainer(train, tokenizers, model, training, home)


def judge(trainer, test):
    """Share of right answers, in percent, as the model stands at the end."""
    from minisora.training.scoring import score_pairs

    score = score_pairs(trainer.model, trainer.source_tokenizer, trainer.target_tokenizer, test)
    return {"exact_match": 100 * score.exact_match, "loss": score.loss, "commands": score.n}


def table(rows):
    """The rows for people."""
    cells = [("split", "exact match, %", "published, %", "test commands", "hours")]
    for row in rows:
        numbers = f"{row['exact_match']:.2f}", row["published"], f"{row['commands']:,}", f"{row['hours']:.2f}"
        cells.append((row["case"], *numbers))
    return f"{lay_out(cells)}\n\n{effort_note(rows)}"


def write_toy(folder):
    """Write tiny splits for --smoke: a verb and how often, in training without one pair of them."""
    folder.mkdir(parents=True, exist_ok=True)
    times = {"once": 1, "twice": 2, "thrice": 3}
    pairs = [
        (f"{verb} {word}", " ".join([f"I_{verb.upper()}"] * count))
        for verb, (word, count) in itertools.product(("walk", "run", "look", "jump"), times.items())
    ]
    random.Random(0).shuffle(pairs)
    for split in SPLITS:
        for part, some in (("train", pairs[2:] * 3), ("test", pairs[:4])):
            text = "".join(f"IN: {command} OUT: {actions}\n" for command, actions in some)
            replace_file(folder / file_name(part, split), text.encode())
    return folder

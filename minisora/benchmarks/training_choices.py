"""``minisora bench training-choices``: four sentences about training that are often said, each tried on a small task.

A model of one layer learns to sort (`minisora.corpus.tasks`), once for each setting and seed, and is judged every few
steps on pairs of its own; what is compared differs in one thing. Learning rates, batches and optimizers see fresh pairs
all the time; penalties are tried where a model can only learn by heart, on a hundred pairs again and again.
"""

from itertools import pairwise
from pathlib import Path
from statistics import mean
from time import perf_counter

import click
from tqdm import tqdm

from minisora.benchmarks.record import lay_out, machine, make_record, publish, record_options

BY_HEART = "L1 and L2 help against overfitting"  # is tried on few pairs
STUDIES = {  # what is said, and the settings that are to show it
    "smaller learning rates converge better": {
        f"rate {rate:g}": {"learning_rate": rate} for rate in (3e-2, 1e-2, 3e-3, 1e-3, 3e-4)
    },
    "larger batches are steadier and slower": {f"batch {size}": {"batch_tokens": size} for size in (64, 256, 1024)},
    "Adam against SGD": {
        **{f"adam, rate {rate:g}": {"learning_rate": rate} for rate in (1e-2, 1e-3)},
        **{f"sgd, rate {rate:g}": {"optimizer": "sgd", "learning_rate": rate} for rate in (1.0, 0.1, 0.01)},
    },
    BY_HEART: {
        "none": {},
        "L2 0.001": {"l2": 1e-3},
        "L2 0.01": {"l2": 1e-2},
        "L1 0.0001": {"l1": 1e-4},
        "L1 0.001": {"l1": 1e-3},
        "decoupled 0.3": {"optimizer": "adamw", "weight_decay": 0.3},
    },
}
FEW = 100
COMMON = {"learning_rate": 3e-3, "batch_tokens": 512, "chunk_examples": 512, "warmup_steps": 50, "schedule": "constant"}
LENGTHS = (3, 7)
STEPS, EVERY, DEV = 800, 50, 200
LATE = 8  # judgements, the last ones: how steady they are


@click.command()
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Trainings of each setting.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Draw the curves.")
@record_options
def command(seeds, plot, smoke, as_json, out):
    """Learning rates, batches, Adam against SGD, L1 and L2: what each does to the loss on dev."""
    here = machine()
    steps, every = (4, 2) if smoke else (STEPS, EVERY)
    cases = [(said, name, changes) for said, settings in STUDIES.items() for name, changes in settings.items()]
    rows = [measure(*case, range(1 if smoke else seeds), steps, every) for case in tqdm(cases, disable=None)]
    if plot is not None:
        draw(rows, plot)
    settings = {"steps": steps, "every": every, "seeds": 1 if smoke else seeds, "common": COMMON, "smoke": smoke}
    publish(make_record(here, rows, **settings), table(rows, settings), as_json, out)


def measure(said, name, changes, seeds, steps, every):
    """One setting: the curves of all seeds, and what they come to."""
    runs = [train(changes, said == BY_HEART, seed, steps, every) for seed in seeds]
    curves = [curve for curve, _ in runs]
    return {
        "case": name,
        "said": said,
        "loss": mean(curve[-1] for curve in curves),
        "range": [min(curve[-1] for curve in curves), max(curve[-1] for curve in curves)],
        "rises": mean(rises(curve[-LATE:]) for curve in curves),
        "seconds": mean(seconds for _, seconds in runs),
        "curves": curves,
    }


def rises(losses):
    """All that a curve goes up on its way, in parts of its mean: 0 where it falls steadily."""
    return sum(max(0, after - before) for before, after in pairwise(losses)) / mean(losses)


def train(changes, by_heart, seed, steps, every):
    """Train one model; return its losses on dev, every so many steps, and the seconds of training."""
    import numpy as np

    from minisora.config import SoraConfig
    from minisora.corpus.tasks import SYMBOLS, TaskStream
    from minisora.model import SoraModel
    from minisora.text import SoraTokenizer
    from minisora.training import Trainer, TrainingConfig
    from minisora.training.scoring import mean_loss

    tokenizer = SoraTokenizer.learn([SYMBOLS])
    config = SoraConfig(
        source_vocab_size=tokenizer.vocab_size, target_vocab_size=tokenizer.vocab_size, d_model=32, num_heads=2,
        num_encoder_layers=1, num_decoder_layers=1, d_ff=64, dropout=0.0, max_len=16,
    )  # fmt: skip
    model = SoraModel(config, np.random.default_rng(seed))
    data, dev = TaskStream("sort", seed, LENGTHS), TaskStream("sort", "dev", LENGTHS).draw(0, DEV)
    training = TrainingConfig(steps=steps, seed=seed, **COMMON | changes)
    trainer = Trainer(model, data.draw(0, FEW) if by_heart else data, tokenizer, config=training)
    losses, seconds = [], 0.0
    for step in range(every, steps + 1, every):
        begin = perf_counter()
        trainer.fit(stop_after=step, progress_bar=False)
        seconds += perf_counter() - begin
        losses.append(mean_loss(model, tokenizer, tokenizer, dev))
    return losses, seconds


def draw(rows, path):
    """Write a figure with a panel for each sentence."""
    from minisora.files import replace_file
    from minisora.plotting.curves import plot_curves
    from minisora.plotting.image import png

    panels = {}
    for row in rows:
        panels.setdefault(row["said"], {})[row["case"]] = [mean(values) for values in zip(*row["curves"], strict=True)]
    replace_file(path, png(plot_curves(panels, EVERY, "steps", "loss on dev, nats per token")))


def table(rows, settings):
    """The rows for people."""
    cells = [("setting", "loss", "of the seeds", "rises", "seconds")]
    for row in rows:
        low, high = row["range"]
        spread = f"{low:.3f} - {high:.3f}"
        cells.append((row["case"], f"{row['loss']:.3f}", spread, f"{row['rises']:.2f}", f"{row['seconds']:.1f}"))
    head, *lines = lay_out(cells).splitlines()
    said = None
    for number, row in enumerate(rows):
        if row["said"] != said:
            said = row["said"]
            lines[number] = f"\n{said}\n{lines[number]}"
    return f"{settings['steps']} steps, mean of {settings['seeds']} seeds\n\n{head}\n" + "\n".join(lines)

"""The first part of ``minisora bench multi30k``: ten epochs German to English, beside PyTorch epoch by epoch.

Both sides begin with the same weights and see the same batches in the same order; each is a process that trains one
epoch when it is its turn. An epoch's seconds are those of the training alone. Of each side the epoch with the lowest
loss on the validation part translates the test part, greedily.
"""

import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from minisora.benchmarks.long_runs import new_trainer
from minisora.benchmarks.multi30k_data import bleu, read_part
from minisora.benchmarks.record import lay_out
from minisora.benchmarks.workers import Worker

EPOCHS, BATCH = 10, 128
MODEL = {
    "d_model": 256, "num_heads": 8, "num_encoder_layers": 3, "num_decoder_layers": 3, "d_ff": 512, "dropout": 0.1,
    "norm": "post", "positions": "learned", "max_len": 100,
}  # fmt: skip
TRAINING = {"learning_rate": 5e-4, "schedule": "constant", "warmup_steps": 0, "clip": 1.0, "select": "loss"}
SMOKE = {"d_model": 16, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "d_ff": 24}
PUBLISHED = {"published, PyTorch": 36.52}
LONGEST = 60  # words of a translation
TASKS = {"ours": "minisora.benchmarks.multi30k_epochs:ours", "torch": "minisora.benchmarks.multi30k_epochs:torch_eager"}


def measure(options, minutes, bar):
    """Both sides to their last epoch, by turns; return (row, None), or (None, where it stands) when the time is up."""
    end = float("inf") if minutes is None else time.monotonic() + 60 * minutes
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(Worker(task, options, 1 if name == "ours" else options["threads"]))
            for name, task in TASKS.items()
        }
        replies = {name: side.run() for name, side in sides.items()}  # what has been done before
        while any(not finished(reply) for reply in replies.values()):
            done = {name: len(reply["value"]["epochs"]) for name, reply in replies.items()}
            bar.update(sum(done.values()) - bar.n)
            name = min((name for name in sides if not finished(replies[name])), key=done.get)
            replies[name] = sides[name].run()
            if time.monotonic() > end and not all(map(finished, replies.values())):
                return None, f"{done[name] + 1} of {options['epochs']} ({name})"
    return summary(replies, options), None


def finished(reply):
    return "translations" in reply["value"]


def summary(replies, options):
    """The row: times, losses and BLEU of both."""
    pairs = read_part(Path(options["data"]), "test_2016_flickr", "de", "en", options["most"])
    scores = {name: bleu(reply["value"]["translations"], pairs) for name, reply in replies.items()}
    epochs = {name: reply["value"]["epochs"] for name, reply in replies.items()}
    seconds = {name: median(one["seconds"] for one in records) for name, records in epochs.items()}
    return {
        "case": "de-en, {num_encoder_layers}+{num_decoder_layers} layers, d {d_model}".format(**options["model"]),
        "ours": seconds["ours"],
        "opponents": {"torch": seconds["torch"]},
        "ratio": {"torch": seconds["torch"] / seconds["ours"]},
        "bleu": {name: score for name, (score, _) in scores.items()},
        "published": PUBLISHED,
        "signature": scores["ours"][1],
        "best_epoch": {name: 1 + best_of([one["dev_loss"] for one in records]) for name, records in epochs.items()},
        "hours": {name: sum(one["seconds"] for one in records) / 3600 for name, records in epochs.items()},
        "target_tokens_per_second": {
            name: sum(one["target_tokens"] for one in records) / sum(one["seconds"] for one in records)
            for name, records in epochs.items()
        },
        "peak_memory_mib": {name: reply["peak_memory_mib"] for name, reply in replies.items()},
        "parameters": {name: reply["value"]["parameters"] for name, reply in replies.items()},
        "epochs": epochs,
    }


def best_of(losses):
    """Place of the smallest."""
    return losses.index(min(losses))


def begin(options):
    """A Trainer at its first step, and how many batches an epoch has: the same for both sides."""
    from minisora.text import SoraTokenizer

    train, dev = (read_part(Path(options["data"]), part, "de", "en", options["most"]) for part in ("train", "val"))
    tokenizers = [SoraTokenizer.learn(texts, "whitespace", min_count=2) for texts in zip(*train, strict=True)]
    epoch_steps = -(-len(train) // options["batch"])
    training = options["training"] | {
        "steps": options["epochs"] * epoch_steps, "seed": options["seed"], "shards": options["threads"],
        "batch_examples": options["batch"], "batch_tokens": options["batch"] * 2 * (options["model"]["max_len"] + 1),
        "chunk_examples": len(train), "backend": "numba",
        **dict.fromkeys(("eval_every", "save_every", "log_every"), epoch_steps),
    }  # fmt: skip
    folder = Path(options["folder"]) / "minisora"
    return new_trainer(train, tokenizers, options["model"], training, folder, dev), epoch_steps


def ours(**options):
    """Prepare minisora's side: the first call says what is there, each other trains an epoch, the last translates."""
    from minisora.training.resume import has_checkpoint

    trainer, epoch_steps = begin(options)
    resume, calls = has_checkpoint(trainer.folder), 0

    def task():
        nonlocal calls
        calls += 1
        first = calls == 1
        step = trainer.progress.step
        if first and resume:
            trainer.fit(resume=True, stop_after=1, progress_bar=False)  # no step is made: one at least is behind it
        elif not first and step < trainer.config.steps:
            stop_after = (step // epoch_steps + 1) * epoch_steps
            trainer.fit(stop_after=stop_after, progress_bar=False)
        reply = {"epochs": [] if trainer.log is None else epochs_in(trainer.log.records)}
        reply["parameters"] = trainer.model.num_parameters()
        if trainer.progress.step == trainer.config.steps:
            reply["translations"] = translate(trainer, options)
        return reply

    return task


def epochs_in(records):
    """Seconds, tokens and dev loss of each epoch, from the log of a training."""
    judged = {record["step"]: record["dev"]["loss"] for record in records if "dev" in record}
    logged = [record for record in records if "minutes" in record and record["step"] in judged]
    before = [{"minutes": 0, "tokens": 0}, *logged]
    return [
        {
            "seconds": round(60 * (one["minutes"] - last["minutes"]), 3),
            "target_tokens": one["tokens"] - last["tokens"],
            "dev_loss": judged[one["step"]],
        }
        for last, one in zip(before, logged, strict=False)
    ]


def translate(trainer, options):
    """The test part by the best model, greedily."""
    from minisora.checkpoint import load
    from minisora.generation import answer

    german = [source for source, _ in read_part(Path(options["data"]), "test_2016_flickr", "de", "en", options["most"])]
    model, *tokenizers = load(trainer.folder)
    model.use_backend("numba")
    return answer(model, *tokenizers, german, max_len=LONGEST)


def torch_eager(**options):
    """Prepare torch's side, which works as `ours` does."""
    from minisora.benchmarks.multi30k_torch import TorchSide

    trainer, epoch_steps = begin(options)
    side = TorchSide(trainer, epoch_steps, Path(options["folder"]) / "torch", options["threads"])
    pairs = read_part(Path(options["data"]), "test_2016_flickr", "de", "en", options["most"])
    calls = 0

    def task():
        nonlocal calls
        calls += 1
        if calls > 1 and len(side.epochs) < options["epochs"]:
            side.train_epoch()
        reply = {"epochs": side.epochs, "parameters": sum(one.numel() for one in side.model.parameters())}
        if len(side.epochs) == options["epochs"]:
            reply["translations"] = side.translate([source for source, _ in pairs], LONGEST)
        return reply

    return task


def table(row):
    """The row for people."""
    cells = [("", "s/epoch", "target tokens/s", "hours", "BLEU", "of epoch", "peak MiB")]
    for name, hours in row["hours"].items():
        seconds = row["ours"] if name == "ours" else row["opponents"][name]
        memory = row["peak_memory_mib"][name]
        cells.append((
            name, f"{seconds:.1f}", f"{row['target_tokens_per_second'][name]:,.0f}", f"{hours:.2f}",
            f"{row['bleu'][name]:.2f}", str(row["best_epoch"][name]), "-" if memory is None else f"{memory:.0f}",
        ))  # fmt: skip
    cells += [(name, "", "", "", f"{score:.2f}", "", "") for name, score in row["published"].items()]
    head = f"{row['case']}: {row['parameters']['ours']:,} parameters, torch / ours {row['ratio']['torch']:.2f}"
    return f"{head}\n{row['signature']}\n\n{lay_out(cells)}"

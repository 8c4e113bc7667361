"""The first part of ``minisora bench multi30k``: ten epochs German to English, beside PyTorch epoch by epoch.

Both sides begin with the same weights and see the same batches in the same order; each is a process that trains one
epoch when it is its turn: so many batches as hold all captions once. An epoch's seconds are those of the training
alone. Of each side two models translate the test part, greedily: that of the epoch with the lowest loss on the
validation part, which is the published way to choose, and that of the last epoch. BLEU may still grow when the loss no
longer falls.

References
----------
Trevett, github.com/bentrevett/pytorch-seq2seq, notebook 6: the configuration (norms behind the sub-layers, batches of
captions of any length, every matrix drawn by Glorot's formula) and a BLEU of 36.52, by torchtext, on words of spaCy.
"""

from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tqdm import tqdm

from minisora.benchmarks.long_runs import describe, flat, new_model, note_peak
from minisora.benchmarks.multi30k_data import bleu, read_part
from minisora.benchmarks.record import lay_out
from minisora.benchmarks.workers import Worker
from minisora.training.stopping import Stopping

EPOCHS, BATCH = 10, 128
MODEL = {
    "d_model": 256, "num_heads": 8, "num_encoder_layers": 3, "num_decoder_layers": 3, "d_ff": 512, "dropout": 0.1,
    "norm": "post", "positions": "learned", "max_len": 100,
}  # fmt: skip
TRAINING = {"learning_rate": 5e-4, "schedule": "constant", "warmup_steps": 0, "clip": 1.0, "select": "loss"}
SMOKE = {"d_model": 16, "num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "d_ff": 24}
PUBLISHED = {"published, PyTorch": 36.52}
LONGEST = 60  # words of a translation
MIN_COUNT = 2  # occurrences of a word; a rarer one is <unk>, which in an answer is a wrong word
TASKS = {"ours": "minisora.benchmarks.multi30k_epochs:ours", "torch": "minisora.benchmarks.multi30k_epochs:torch_eager"}


def settings(options):
    """What decides the numbers of this part, as plain values."""
    smoke = options["smoke"]
    sizes = {"epochs": 2, "batch": 7, "most": 40} if smoke else {"epochs": EPOCHS, "batch": BATCH, "most": None}
    model = MODEL | (SMOKE if smoke else {})
    own = {"model": model, "embeddings": "Glorot", "training": TRAINING}
    own |= {"longest": LONGEST, "min_count": MIN_COUNT}
    return {name: value for name, value in options.items() if name != "data"} | own | sizes


def measure(runs, options):
    """The row: read where it is finished, else both sides trained to their last epoch, by turns."""
    about, name = settings(options), f"epochs-{options['seed']}"

    def make(home):
        row = by_turns(runs, about | {"data": options["data"], "folder": str(home)}, name)
        return row and row | {"settings": about}

    return runs.kept(name, about, make)


def by_turns(runs, options, name):
    """Both sides, each an epoch when it is its turn; None where the time ends before the last."""
    bar = tqdm(total=2 * options["epochs"], unit="epoch", disable=None)
    with Stopping(runs.minutes_left()) as stopping, ExitStack() as stack, bar:
        sides = {
            side: stack.enter_context(Worker(task, options, 1 if side == "ours" else options["threads"]))
            for side, task in TASKS.items()
        }
        replies = {side: worker.run() for side, worker in sides.items()}  # what has been done before
        bar.initial = bar.n = sum(map(done, replies.values()))
        while waiting := [side for side in sides if not finished(replies[side])]:
            turn = min(waiting, key=lambda side: done(replies[side]))
            replies[turn] = sides[turn].run()
            bar.update(sum(map(done, replies.values())) - bar.n)
            if stopping.reason() is not None and not all(map(finished, replies.values())):
                runs.stopped = f"{name} at epoch {done(replies[turn])} of {options['epochs']} ({turn})"
                runs.interrupted = stopping.reason() == "interrupted"
                return None
    return summary(replies, options)


def done(reply):
    return len(reply["value"]["epochs"])


def finished(reply):
    return "translations" in reply["value"]


def summary(replies, options):
    """The row: times, losses and BLEU of both."""
    pairs = read_part(Path(options["data"]), "test_2016_flickr", "de", "en", options["most"])
    scores = {
        name: {which: bleu(texts, pairs) for which, texts in reply["value"]["translations"].items()}
        for name, reply in replies.items()
    }
    epochs = {name: reply["value"]["epochs"] for name, reply in replies.items()}
    seconds = {name: median(one["seconds"] for one in records) for name, records in epochs.items()}
    return {
        "case": "de-en, {num_encoder_layers}+{num_decoder_layers} layers, d {d_model}".format(**options["model"]),
        "ours": seconds["ours"],
        "opponents": {"torch": seconds["torch"]},
        "ratio": {"torch": seconds["torch"] / seconds["ours"]},
        "bleu": {name: score["lowest loss"][0] for name, score in scores.items()},
        "last_bleu": {name: score["last epoch"][0] for name, score in scores.items()},
        "published": {} if options["smoke"] else PUBLISHED,
        "signature": scores["ours"]["last epoch"][1],
        "best_epoch": {name: 1 + best_of([one["dev_loss"] for one in records]) for name, records in epochs.items()},
        "hours": {name: sum(one["seconds"] for one in records) / 3600 for name, records in epochs.items()},
        "target_tokens_per_second": {
            name: sum(one["target_tokens"] for one in records) / sum(one["seconds"] for one in records)
            for name, records in epochs.items()
        },
        "peak_memory_mib": {name: reply["value"]["peak_memory_mib"] for name, reply in replies.items()},
        "parameters": {name: reply["value"]["parameters"] for name, reply in replies.items()},
        "vocabularies": replies["ours"]["value"]["vocabularies"],
        "epochs": epochs,
    }


def best_of(losses):
    """Place of the smallest."""
    return losses.index(min(losses))


def setup(options):
    """What both sides begin with: training and dev pairs, tokenizers, settings, and how many batches an epoch has."""
    from minisora.text import SoraTokenizer

    train, dev = (read_part(Path(options["data"]), part, "de", "en", options["most"]) for part in ("train", "val"))
    tokenizers = [
        SoraTokenizer.learn(texts, "whitespace", min_count=options["min_count"]) for texts in zip(*train, strict=True)
    ]
    epoch_steps = -(-len(train) // options["batch"])
    training = options["training"] | {
        "steps": options["epochs"] * epoch_steps, "seed": options["seed"], "shards": options["threads"],
        "batch_examples": options["batch"], "batch_tokens": options["batch"] * 2 * (options["model"]["max_len"] + 1),
        "chunk_examples": options["batch"], "backend": "numba",
        **dict.fromkeys(("eval_every", "save_every", "log_every"), epoch_steps),
    }  # fmt: skip
    return train, dev, tokenizers, training, epoch_steps


def begin(options, tokenizers):
    """The model that both sides begin with: as published, the embeddings too are drawn by Glorot's formula."""
    import numpy as np

    model, rng = new_model(tokenizers, options["model"], options["seed"]), np.random.default_rng([options["seed"], 1])
    for side in (model.encoder.embedded, model.decoder.embedded):
        for table in (side.embedding.table.data, side.positions.table.data):
            limit = np.sqrt(6 / sum(table.shape))
            table[...] = rng.uniform(-limit, limit, table.shape)
    return model


def ours(**options):
    """Prepare minisora's side: the first call says what is there, each other trains an epoch, the last translates."""
    from minisora.checkpoint import load
    from minisora.training import Trainer, TrainingConfig
    from minisora.training.resume import has_checkpoint

    train, dev, tokenizers, training, epoch_steps = setup(options)
    model, config, folder = begin(options, tokenizers), TrainingConfig(**training), Path(options["folder"]) / "minisora"
    trainer = Trainer(model, train, *tokenizers, config, dev=dev, folder=folder)
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
        reply["peak_memory_mib"] = note_peak(folder) if reply["epochs"] else None
        reply |= {"parameters": trainer.model.num_parameters(), "vocabularies": [one.vocab_size for one in tokenizers]}
        if trainer.progress.step == trainer.config.steps:
            models = {"lowest loss": load(folder).model, "last epoch": trainer.model}
            reply["translations"] = {which: translate(one, tokenizers, options) for which, one in models.items()}
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


def translate(model, tokenizers, options):
    """The test part, greedily."""
    from minisora.generation import generate

    model.use_backend("numba")
    found = generate(model, *tokenizers, test_sources(options), max_len=options["longest"])
    return [tokenizers[1].decode(one.hypotheses[0].ids, skip_special_tokens=False) for one in found]  # <unk> is a word


def test_sources(options):
    """The German sentences of the test part."""
    pairs = read_part(Path(options["data"]), "test_2016_flickr", "de", "en", options["most"])
    return [source for source, _ in pairs]


def torch_eager(**options):
    """Prepare torch's side, which works as `ours` does."""
    side, calls = torch_side(options), 0

    def task():
        nonlocal calls
        calls += 1
        if calls > 1 and len(side.epochs) < options["epochs"]:
            side.train_epoch()
        reply = {"epochs": side.epochs, "parameters": sum(one.numel() for one in side.model.parameters())}
        reply["peak_memory_mib"] = note_peak(side.folder) if side.epochs else None
        if len(side.epochs) == options["epochs"]:
            reply["translations"] = side.translations(test_sources(options), options["longest"])
        return reply

    return task


def torch_side(options):
    """Torch's training at its first step, or where it was left."""
    from minisora.benchmarks.multi30k_torch import TorchSide
    from minisora.training import TrainingConfig

    _, dev, tokenizers, training, epoch_steps = given = setup(options)
    model, config = begin(options, tokenizers), TrainingConfig(**training)
    folder = Path(options["folder"]) / "torch"
    sizes = {"epoch_steps": epoch_steps, "threads": options["threads"]}
    return TorchSide(model, batches_of(given), dev, tokenizers, config, folder, **sizes)


def batches_of(given):
    """The batches that minisora's Trainer draws."""
    from minisora.training.batching import Batches
    from minisora.training.data import PairList

    train, _, tokenizers, training, _ = given
    limits = {name: training[name] for name in ("batch_tokens", "batch_examples", "chunk_examples", "seed")}
    return Batches(PairList(train, training["seed"]), *tokenizers, **limits)


def table(row):
    """The row for people."""
    last = row["settings"]["epochs"]
    scores = "BLEU, lowest loss", "of epoch", f"BLEU, epoch {last}"
    cells = [("", "s/epoch", "target tokens/s", "hours", *scores, "peak MiB")]
    for name, hours in row["hours"].items():
        seconds = row["ours"] if name == "ours" else row["opponents"][name]
        memory = row["peak_memory_mib"][name]
        cells.append((
            name, f"{seconds:.1f}", f"{row['target_tokens_per_second'][name]:,.0f}", f"{hours:.2f}",
            f"{row['bleu'][name]:.2f}", str(row["best_epoch"][name]), f"{row['last_bleu'][name]:.2f}",
            "-" if memory is None else f"{memory:.0f}",
        ))  # fmt: skip
    cells += [(name, "", "", "", f"{score:.2f}", "", "", "") for name, score in row["published"].items()]
    sizes = "{:,} German and {:,} English words".format(*row["vocabularies"])
    head = f"{row['case']}: {sizes}, {row['parameters']['ours']:,} parameters, torch / ours {row['ratio']['torch']:.2f}"
    return f"{describe(flat(row['settings']))}\n\n{head}\n{row['signature']}\n\n{lay_out(cells)}"

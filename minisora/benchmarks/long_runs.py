"""Trainings that take hours: each in a folder of its own, stopped at any time and gone on with by the same command."""

import json
import sys
import time
from pathlib import Path

import click

from minisora.benchmarks.record import record_options
from minisora.benchmarks.workers import peak_memory_mib
from minisora.commands.output import finite
from minisora.files import replace_file

RESULT = "result.json"
CURVE = "curve.jsonl"


def long_options(function):
    """Give a command the options of all benchmarks that train for hours, those of `record_options` among them."""
    path = click.Path(file_okay=False, path_type=Path)
    options = (
        click.option("--data", type=path, help="Folder with the data, which are not part of minisora."),
        click.option("--folder", type=path, help="For the trainings: stopped, the same command goes on from here."),
        click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so many, for this time."),
        click.option(
            "--threads", default=2, show_default=True, type=click.IntRange(1), help="Shards of a batch, side by side."
        ),
        click.option("--steps", type=click.IntRange(1), help="Updates, in the place of the benchmark's own number."),
    )
    function = record_options(function)
    for option in reversed(options):
        function = option(function)
    return function


def check_folders(data, files, folder, origin):
    """Say what is missing before anything begins: the data, one of their files, or where to keep the trainings."""
    if data is None:
        raise click.UsageError(f"expected --data, a folder with {files[0]} and others ({origin})")
    for name in files:
        if not (data / name).is_file():
            raise click.UsageError(f"no data: looked for {data / name} and found none ({origin})")
    if folder is None:
        raise click.UsageError("expected --folder, where the trainings are kept, which take hours, to go on with")
    folder.mkdir(parents=True, exist_ok=True)


def read_source(data):
    """Where the data come from and on which terms, as the file beside them says."""
    path = data / "SOURCE.txt"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else f"no SOURCE.txt in {data}"


def command_line(ctx):
    """The command that makes the same measurement; where data and trainings lie is left out."""
    words = [ctx.command_path.removeprefix("python -m ")]
    for parameter in ctx.command.params:
        value = ctx.params[parameter.name]
        if parameter.name in ("as_json", "out", "minutes") or value is None or value == parameter.get_default(ctx):
            continue
        flag = parameter.opts[0]
        if isinstance(value, Path):
            words += [flag, parameter.name.upper()]
        elif isinstance(value, bool):
            words += [flag]
        else:
            words += [word for one in (value if parameter.multiple else [value]) for word in (flag, str(one))]
    return " ".join(words)


def describe(*settings):
    """Settings as a line for people: names and values, "steps 7, seed 0"."""
    return ", ".join(f"{name} {value}" for part in settings for name, value in part.items())


def stopped_note(runs):
    """A paragraph that says where trainings were stopped; empty where all are finished."""
    return "" if runs.stopped is None else f"stopped: {runs.stopped}; the same command goes on from here\n\n"


class LongRuns:
    """Trainings in a folder, one after the other, under one limit of time.

    Parameters
    ----------
    folder : path
        Each training gets a folder in it, with the checkpoints and, when it is judged, its row.
    minutes : float, optional
        For all that is done now; None: until all are finished.

    Attributes
    ----------
    stopped : str or None
        Which training ended before its last step, and where; nothing more is begun then.
    interrupted : bool
        Whether Ctrl-C or SIGTERM did it.
    """

    def __init__(self, folder, minutes=None):
        self.folder = folder
        self.stopped, self.interrupted = None, False
        self._end = float("inf") if minutes is None else time.monotonic() + 60 * minutes

    def row(self, name, settings, make_trainer, judge, *, look=None, every=None):
        """Return the row of one training: read where it is finished, else trained, judged and kept.

        Parameters
        ----------
        name : str
            Of the row and of the folder.
        settings : dict
            Of plain values: what defines the training. A folder with a result of others is refused.
        make_trainer : callable
            ``make_trainer(folder) -> Trainer`` at its first step.
        judge : callable
            ``judge(trainer) -> dict``, when it is finished.
        look : callable, optional
            ``look(trainer) -> dict``, after every so many steps; its records make the row's ``curve``.
        every : int, optional
            Steps between two looks.

        Returns
        -------
        dict or None
            None where the time is over before it is finished; `stopped` says where.
        """
        home = self.folder / name
        if (home / RESULT).is_file():
            return read_result(home / RESULT, settings)
        if self.stopped is not None:
            return None
        trainer = make_trainer(home)
        if not self.train(name, trainer, look, every):
            return None
        row = {"case": name, **judge(trainer), **effort(trainer)}
        if look is not None:
            row["curve"] = read_curve(home)
        keep_json(home / RESULT, {"settings": settings, "row": row})
        return row

    def train(self, name, trainer, look=None, every=None):
        """Go on to the end, with a look after every so many steps; return whether it came."""
        from minisora.training.resume import has_checkpoint

        last = trainer.config.steps
        resume = has_checkpoint(trainer.folder)
        while True:
            stop_after = last if look is None else min(last, (done(trainer, resume) // every + 1) * every)
            left = (self._end - time.monotonic()) / 60
            result = trainer.fit(
                resume=resume,
                stop_after=stop_after,
                max_minutes=max(left, 1e-9) if left < float("inf") else None,
                progress_bar=sys.stderr.isatty(),
            )
            resume = False
            if look is not None and result.step % every == 0:
                note(trainer, look)
            if result.step == last:
                return True
            if result.reason != "stop_after":
                self.stopped = f"{name} at step {result.step} of {last}"
                self.interrupted = result.reason == "interrupted"
                return False


def new_trainer(pairs, tokenizers, model, training, folder, dev=None):
    """A Trainer at its first step; ``model`` and ``training`` are the fields of the configurations that differ."""
    import numpy as np

    from minisora.config import SoraConfig
    from minisora.model import SoraModel
    from minisora.training import Trainer, TrainingConfig

    source, target = tokenizers
    config = TrainingConfig(**training)
    sizes = {"source_vocab_size": source.vocab_size, "target_vocab_size": target.vocab_size}
    sora = SoraModel(SoraConfig(**sizes, **model), np.random.default_rng(config.seed))
    return Trainer(sora, pairs, source, target, config, dev=dev, folder=folder)


def done(trainer, resume):
    """How many steps lie behind a trainer, or behind the checkpoint that it will resume from."""
    from minisora.checkpoint import read_pointer
    from minisora.training.resume import read_state

    return read_state(read_pointer(trainer.folder, "latest")).progress.step if resume else trainer.progress.step


def note(trainer, look):
    """Append what ``look`` finds to the curve, unless this step's record is there."""
    path, step = trainer.folder / CURVE, trainer.progress.step
    known = [record for record in read_curve(trainer.folder) if record["step"] < step]
    record = {"step": step, "minutes": round(trainer.progress.minutes, 2), **look(trainer)}
    lines = "".join(json.dumps(one) + "\n" for one in [*known, record])
    replace_file(path, lines.encode())


def read_curve(home):
    """The records of a curve, in order."""
    path = home / CURVE
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def effort(trainer):
    """What a finished training took: steps, hours, target tokens and their speed, memory, and the model's size."""
    progress = trainer.progress
    return {
        "steps": progress.step,
        "hours": progress.minutes / 60,
        "target_tokens": progress.tokens,
        "target_tokens_per_second": progress.tokens / max(60 * progress.minutes, 1e-9),
        "peak_memory_mib": peak_memory_mib(),
        "parameters": trainer.model.num_parameters(),
    }


def keep_json(path, value):
    """Write plain values to a file, whole."""
    text = json.dumps(finite(value), ensure_ascii=False, indent=2, allow_nan=False)
    replace_file(path, f"{text}\n".encode())


def read_result(path, settings):
    """The row that was kept; UsageError where it belongs to other settings."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    for name, value in json.loads(json.dumps(settings)).items():
        if (old := kept["settings"].get(name)) != value:
            raise click.UsageError(f"{path} was made with {name} = {old}, not {value}: give another --folder")
    return kept["row"]

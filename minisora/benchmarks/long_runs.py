"""Trainings that take hours: each in a folder of its own, stopped at any time and gone on with by the same command."""

import hashlib
import json
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

import click

from minisora.benchmarks.record import record_options, write_json
from minisora.benchmarks.workers import forget_peak, peak_memory_mib
from minisora.files import replace_file

RESULT = "result.json"
SETTINGS = "settings.json"
CURVE = "curve.jsonl"
PEAK = "peak.json"


def long_options(function):
    """Give a command the options of all benchmarks that train for hours, those of `record_options` among them."""
    path = click.Path(file_okay=False, path_type=Path)
    options = (
        click.option("--data", type=path, help="Folder with the data, which are not part of minisora."),
        click.option("--folder", type=path, help="For the trainings: stopped, the same command goes on from here."),
        click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so many, at a whole step."),
        click.option(
            "--threads", default=2, show_default=True, type=click.IntRange(1), help="Shards of a batch, side by side."
        ),
        click.option("--steps", type=click.IntRange(1), help="Updates, in the place of the benchmark's own number."),
    )
    function = record_options(function)
    for option in reversed(options):
        function = option(function)
    return function


@contextmanager
def begun(data, folder, minutes, smoke, write_toy, files, origin):
    """The data and the `LongRuns` of a command; with ``smoke``, toy data and a passing folder where none is given.

    ``write_toy(folder)`` writes those data; ``files`` must be there, and ``origin`` says where they come from.
    """
    with tempfile.TemporaryDirectory() as temporary:
        if smoke and data is None:
            data = write_toy(Path(temporary) / "data")
        folder = Path(temporary) / "trainings" if smoke and folder is None else folder
        check_folders(data, files, folder, origin)
        yield data, LongRuns(folder, minutes)


def check_folders(data, files, folder, origin):
    """Say what is missing before anything begins: the data, one of their files, or where to keep the trainings."""
    if data is None:
        raise click.UsageError(f"expected --data, a folder with {files[0]} and others ({origin})")
    for name in files:
        if not place(data, name).is_file():
            raise click.UsageError(f"no data: looked for {data / name} and found none ({origin})")
    if folder is None:
        raise click.UsageError("expected --folder, where the trainings are kept, which take hours, to go on with")
    folder.mkdir(parents=True, exist_ok=True)


def place(data, name):
    """Where a file of the data is: in the folder itself, or in one of its folders, as in the repositories."""
    found = sorted(data.glob(f"*/{name}"))
    return data / name if (data / name).is_file() or not found else found[0]


def digest(data, files):
    """Of the contents of some files: other data are another measurement."""
    found = hashlib.blake2b(digest_size=16)
    for name in files:
        content = place(data, name).read_bytes()
        found.update(len(content).to_bytes(8, "little") + content)
    return found.hexdigest()


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
        For all that is done now; None: until all are finished. One step is always made.

    Attributes
    ----------
    stopped : str or None
        Which training ended before it was judged, and where; nothing more is begun then.
    interrupted : bool
        Whether Ctrl-C or SIGTERM did it.
    """

    def __init__(self, folder, minutes=None):
        self.folder = folder
        self.stopped, self.interrupted = None, False
        self._end = float("inf") if minutes is None else time.monotonic() + 60 * minutes

    def minutes_left(self):
        """Until the end of the time, a little where it is over; None where there is no limit."""
        left = (self._end - time.monotonic()) / 60
        return max(left, 1e-9) if left < float("inf") else None

    def kept(self, name, settings, make):
        """Return what ``make(home)`` returned for these settings, now or in an earlier call.

        Parameters
        ----------
        name : str
            Of the folder ``home``.
        settings : dict
            Of plain values: what decides the result. A folder that was begun with others is refused.
        make : callable
            Returns plain values, or None where the time is over before; `stopped` says where. Not called once a
            training has been stopped.
        """
        home = self.folder / name
        check_same(home, settings)
        if (home / RESULT).is_file():
            return json.loads((home / RESULT).read_text(encoding="utf-8"))
        if self.stopped is not None:
            return None
        home.mkdir(parents=True, exist_ok=True)
        write_json(home / SETTINGS, settings)
        found = make(home)
        if found is not None:
            write_json(home / RESULT, found)
        return found

    def row(self, name, settings, make_trainer, judge, *, look=None, every=None):
        """Return the row of one training: read where it is finished, else trained, judged and kept.

        Parameters
        ----------
        name, settings
            See `kept`.
        make_trainer : callable
            ``make_trainer(folder) -> Trainer`` at its first step.
        judge : callable
            ``judge(trainer) -> dict``, when it is finished.
        look : callable, optional
            ``look(trainer) -> dict``, after every so many steps; its records make the row's ``curve``.
        every : int, optional
            Steps between two looks.
        """

        def make(home):
            forget_peak()
            trainer = make_trainer(home)
            ended = self.train(name, trainer, look, every)
            peak = note_peak(home)
            if not ended:
                return None
            row = {"case": name, **judge(trainer), **effort(trainer), "peak_memory_mib": peak}
            return row if look is None else row | {"curve": read_curve(home)}

        return self.kept(name, settings, make)

    def train(self, name, trainer, look=None, every=None):
        """Go on to the end, with a look after every so many steps; return whether it came."""
        from minisora.training.resume import has_checkpoint

        last, resume = trainer.config.steps, has_checkpoint(trainer.folder)
        while True:
            stop_after = last if look is None else next_look(trainer, resume, every)
            bar = sys.stderr.isatty()
            result = trainer.fit(
                resume=resume, stop_after=stop_after, max_minutes=self.minutes_left(), progress_bar=bar
            )
            resume = False
            if result.reason == "interrupted" or (result.step < last and result.reason != "stop_after"):
                self.stopped = f"{name} at step {result.step} of {last}"
                self.interrupted = result.reason == "interrupted"
                return False
            if look is not None and result.step % every == 0:
                note(trainer, look)
            if result.step == last:
                return True


def check_same(home, settings):
    """Raise UsageError where a folder was begun with other settings; name the first that differs."""
    path = home / SETTINGS
    if path.is_file():
        old, new = (flat(one) for one in (json.loads(path.read_text(encoding="utf-8")), settings))
        for name in {**old, **new}:
            if (before := old.get(name)) != (now := new.get(name)):
                raise click.UsageError(f"{home} was begun with {name} = {before}, not {now}: give another --folder")


def flat(settings, prefix=""):
    """Nested settings as one dict, in JSON's types: {"training": {"seed": 0}} becomes {"training seed": 0}."""
    out = {}
    for name, value in settings.items():
        out |= flat(value, f"{prefix}{name} ") if isinstance(value, dict) else {prefix + name: value}
    return out if prefix else json.loads(json.dumps(out))


def new_model(tokenizers, model, seed):
    """A new SoraModel; ``model`` are the fields of its configuration that differ."""
    import numpy as np

    from minisora.config import SoraConfig
    from minisora.model import SoraModel

    source, target = tokenizers
    sizes = {"source_vocab_size": source.vocab_size, "target_vocab_size": target.vocab_size}
    return SoraModel(SoraConfig(**sizes, **model), np.random.default_rng(seed))


def new_trainer(pairs, tokenizers, model, training, folder, dev=None):
    """A Trainer at its first step; ``model`` and ``training`` are the fields of the configurations that differ."""
    from minisora.training import Trainer, TrainingConfig

    config = TrainingConfig(**training)
    return Trainer(new_model(tokenizers, model, config.seed), pairs, *tokenizers, config, dev=dev, folder=folder)


def next_look(trainer, resume, every):
    """The step to stop at: the next for a look, or this one, where a kill came between its checkpoint and its look."""
    from minisora.checkpoint import read_pointer
    from minisora.training.resume import read_state

    step = read_state(read_pointer(trainer.folder, "latest")).progress.step if resume else trainer.progress.step
    if resume and step % every == 0 and all(one["step"] != step for one in read_curve(trainer.folder)):
        return step
    return min(trainer.config.steps, (step // every + 1) * every)


def note(trainer, look):
    """Append what ``look`` finds to the curve, in the place of a record of this step or a later one."""
    path, step = trainer.folder / CURVE, trainer.progress.step
    known = [record for record in read_curve(trainer.folder) if record["step"] < step]
    record = {"step": step, "minutes": round(trainer.progress.minutes, 2), **look(trainer)}
    lines = "".join(json.dumps(one) + "\n" for one in [*known, record])
    replace_file(path, lines.encode())


def read_curve(home):
    """The records of a curve, in order."""
    path = home / CURVE
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []


def note_peak(home):
    """Largest resident set of a training in MiB, earlier calls among them; None where the system does not tell."""
    path, peak = home / PEAK, peak_memory_mib()
    before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    peak = max((one for one in (peak, before) if one is not None), default=None)
    write_json(path, peak)
    return peak


def effort(trainer):
    """What a finished training took: steps, hours, target tokens and their speed; and the model's size.

    The hours are those of the steps and of the judgements on dev between them.
    """
    progress = trainer.progress
    return {
        "steps": progress.step,
        "hours": progress.minutes / 60,
        "target_tokens": progress.tokens,
        "target_tokens_per_second": progress.tokens / max(60 * progress.minutes, 1e-9),
        "parameters": trainer.model.num_parameters(),
    }


def effort_note(rows):
    """What finished trainings took together, for people."""
    if not rows:
        return "nothing is finished yet"
    hours, speed = sum(row["hours"] for row in rows), mean(row["target_tokens_per_second"] for row in rows)
    peaks = [row["peak_memory_mib"] for row in rows if row["peak_memory_mib"] is not None]
    memory = f", {max(peaks):.0f} MiB at the most" if peaks else ""
    return f"{sum(row['steps'] for row in rows):,} steps in {hours:.2f} hours, {speed:,.0f} target tokens/s{memory}"

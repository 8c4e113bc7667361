"""The files of a training: what an exact continuation needs, and which checkpoints stay.

A checkpoint ``step-N`` is a model's folder (see `minisora.checkpoint`) with two more files: ``optimizer.safetensors``,
the moments, and ``trainer.json``, everything else. ``latest`` and ``best`` are files of one line that name one of these
folders.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from minisora.checkpoint import CheckpointError, host, load_into, model_files, read_pointer
from minisora.files import new_folder, remove_folder, remove_leftovers, replace_file, write_file
from minisora.plain_file import read_plain
from minisora.strict_json import strict_json
from minisora.tensor_file import read_tensors, tensors_to_bytes
from minisora.training.batching import Position
from minisora.training.config import TrainingConfig
from minisora.training.data import describe_pairs

OPTIMIZER = "optimizer.safetensors"
TRAINER = "trainer.json"
MAX_STATE = 1 << 20  # bytes


@dataclass
class Progress:
    """Where a training stands, between two steps."""

    step: int = 0
    position: Position = field(default_factory=Position)
    tokens: int = 0  # targets trained on so far
    minutes: float = 0.0
    best_step: int | None = None
    best_score: list | None = None  # compared as lists are: higher is better
    stale: int = 0  # judgements since the best one


class State(NamedTuple):
    """What ``trainer.json`` holds."""

    progress: Progress
    config: TrainingConfig
    data: dict  # what the data say of themselves
    dev: dict | None  # and the dev pairs
    has_dev: bool  # False in a file of an older version, which says nothing of dev


def save_checkpoint(folder, trainer, progress):
    """Write ``folder/step-N`` whole, then let ``latest`` name it."""
    files = model_files(trainer.model, trainer.source_tokenizer, trainer.target_tokenizer)
    files[OPTIMIZER] = tensors_to_bytes({name: host(array) for name, array in trainer.optimizer.state().items()})
    state = {
        "progress": asdict(progress),
        "config": json.loads(trainer.config.to_json()),
        "data": trainer.data.describe(),
        "dev": _describe_dev(trainer),
    }
    files[TRAINER] = (json.dumps(state, indent=2) + "\n").encode()
    name = f"step-{progress.step}"
    with new_folder(Path(folder) / name) as temporary:
        for file, data in files.items():
            write_file(temporary / file, data)
    point(folder, "latest", name)


def point(folder, pointer, name):
    """Let the one-line file ``pointer`` name a checkpoint."""
    replace_file(Path(folder) / pointer, f"{name}\n".encode())


def restore_best(folder, step):
    """Let ``best`` name the checkpoint of ``step``, where it is; None: nothing has been judged, and ``best`` goes.

    A crash may have come between ``latest`` and ``best``, and at the end of the time ``best`` may name a checkpoint
    that the whole training would not have judged.
    """
    if step is None:
        (Path(folder) / "best").unlink(missing_ok=True)
    elif (Path(folder) / f"step-{step}").is_dir():
        point(folder, "best", f"step-{step}")


def checkpoints(folder):
    """The checkpoints of a training: step to folder, in order."""
    named = {path.name.removeprefix("step-"): path for path in Path(folder).glob("step-*")}
    return {step: named[str(step)] for step in sorted(int(name) for name in named if name.isdecimal())}


def prune(folder, keep, best_step=None, every=1):
    """Delete all checkpoints but the ``keep`` last ones and those of ``best_step``, ``latest`` and ``best``.

    Where a training was stopped it saved too; of the checkpoints that are at no multiple of ``every`` steps only those
    that have a name stay, so that a training which was stopped often keeps what one keeps that was not.
    """
    folder, found = Path(folder), checkpoints(folder)
    pointers = [folder / name for name in ("latest", "best") if (folder / name).exists()]
    named = {f"step-{best_step}", *(pointer.read_text(encoding="utf-8").strip() for pointer in pointers)}
    counted = [path.name for step, path in found.items() if step % every == 0 or path.name in named]
    staying = {*named, *counted[max(0, len(counted) - keep) :]}
    for path in found.values():
        if path.name not in staying:
            remove_folder(path)


def has_checkpoint(folder):
    """Whether a training has been saved here."""
    return (Path(folder) / "latest").exists()


def resume_checkpoint(folder, trainer):
    """Put model and optimizer of a trainer where the latest checkpoint of ``folder`` left them; return the Progress.

    Raises
    ------
    CheckpointError
        When there is none, it is damaged, or it belongs to another training: another model, configuration, tokenizer,
        other data or dev pairs.
    """
    if not has_checkpoint(folder):
        raise CheckpointError(f"expected a training to resume in {folder}, found none")
    remove_leftovers(folder)
    path = read_pointer(folder, "latest")
    state = read_state(path)
    _check_training(path, trainer, state)
    load_into(path, trainer.model, lambda description: _check_model(path, trainer, description))
    try:
        trainer.optimizer.load_state(read_tensors(path / OPTIMIZER), state.progress.step)
    except ValueError as error:
        raise CheckpointError(f"{path / OPTIMIZER} cannot be used: {error}") from None
    return state.progress


def read_state(folder):
    """The State in a checkpoint's folder; CheckpointError where its ``trainer.json`` is none."""
    path = Path(folder) / TRAINER
    try:
        fields = strict_json(read_plain(path, MAX_STATE) or "", nan=True)  # a loss may be none
        if not isinstance(fields, dict) or not {"progress", "config", "data"} <= fields.keys():
            raise ValueError("expected a JSON object with progress, config and data")
        config = TrainingConfig.from_json(json.dumps(fields["config"]))
        return State(_progress(fields["progress"]), config, fields["data"], fields.get("dev"), "dev" in fields)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is not the state of a training: {error}") from None


def _progress(fields):
    """A Progress from JSON, or ValueError."""
    known = asdict(Progress())
    if isinstance(fields, dict):
        fields = {"stale": 0} | fields  # an older version did not count
    if not isinstance(fields, dict) or fields.keys() != known.keys():
        raise ValueError(f"expected a progress with {', '.join(known)}")
    position, score = fields["position"], fields["best_score"]
    good = {
        "step": _is_count(fields["step"]),
        "position": isinstance(position, list) and len(position) == 2 and all(map(_is_count, position)),
        "tokens": _is_count(fields["tokens"]),
        "minutes": _is_number(fields["minutes"]),
        "best_step": fields["best_step"] is None or _is_count(fields["best_step"]),
        "stale": _is_count(fields["stale"]),
        "best_score": score is None or (isinstance(score, list) and len(score) == 2 and all(map(_is_number, score))),
    }
    if odd := [name for name in good if not good[name]]:
        raise ValueError(f"its {odd[0]} is {str(fields[odd[0]])[:40]!r}")
    return Progress(**{**fields, "position": Position(*position)})


def _is_count(value):
    return type(value) is int and value >= 0


def _is_number(value):
    return type(value) in (int, float)


def _describe_dev(trainer):
    return None if trainer.dev is None else describe_pairs(trainer.dev)


def _check_training(path, trainer, state):
    """The continuation must be that of the same training."""
    old, new = state.config.identity(), trainer.config.identity()
    for name in (name for name in old if name in new):
        if old[name] != new[name]:
            raise CheckpointError(f"{path} was trained with {name} = {old[name]!r}, it cannot go on with {new[name]!r}")
    if state.progress.step > trainer.config.steps:
        raise CheckpointError(f"{path} cannot go on to {trainer.config.steps} steps, it has {state.progress.step}")
    if state.data != trainer.data.describe():
        raise CheckpointError(f"{path} was trained on other data: give those that it began with")
    if state.has_dev and state.dev != _describe_dev(trainer):
        raise CheckpointError(f"{path} was trained with other dev pairs: give those that it began with")


def _check_model(path, trainer, description):
    """The checkpoint's model and tokenizers must be the trainer's."""
    old, new = asdict(description.config), asdict(trainer.model.config)
    for name, value in old.items():
        if value != new[name]:
            raise CheckpointError(f"{path} holds a model with {name} = {value!r}, not {new[name]!r}")
    own = (trainer.source_tokenizer, trainer.target_tokenizer)
    if (description.source_tokenizer, description.target_tokenizer) != own:
        raise CheckpointError(f"{path} was trained with other tokenizers")

"""The files of a training: what an exact continuation needs, and which checkpoints stay.

A checkpoint ``step-N`` is a model's folder (see `minisora.checkpoint`) with two more files: ``optimizer.safetensors``,
the moments, and ``trainer.json``, everything else. ``latest`` and ``best`` are files of one line that name one of these
folders.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from minisora.checkpoint import CheckpointError, host, load, model_files, read_pointer
from minisora.files import new_folder, remove_folder, remove_leftovers, replace_file, write_file
from minisora.kernels import array_module
from minisora.tensor_file import read_tensors, strict_json, tensors_to_bytes
from minisora.training.batching import Position
from minisora.training.config import TrainingConfig

OPTIMIZER = "optimizer.safetensors"
TRAINER = "trainer.json"


@dataclass
class Progress:
    """Where a training stands, between two steps."""

    step: int = 0
    position: Position = field(default_factory=Position)
    tokens: int = 0  # targets trained on so far
    minutes: float = 0.0
    best_step: int | None = None
    best_score: list | None = None  # compared as lists are: higher is better


def save_checkpoint(folder, trainer, progress):
    """Write ``folder/step-N`` whole, then let ``latest`` name it."""
    files = model_files(trainer.model, trainer.source_tokenizer, trainer.target_tokenizer)
    files[OPTIMIZER] = tensors_to_bytes({name: host(array) for name, array in trainer.optimizer.state().items()})
    state = {
        "progress": asdict(progress),
        "config": json.loads(trainer.config.to_json()),
        "data": trainer.data.describe(),
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


def prune(folder, keep):
    """Delete all checkpoints but the ``keep`` last ones and those that ``latest`` and ``best`` name."""
    folder = Path(folder)
    steps = [path for path in folder.glob("step-*") if path.name.removeprefix("step-").isdecimal()]
    steps.sort(key=lambda path: int(path.name.removeprefix("step-")))
    named = {read_pointer(folder, pointer) for pointer in ("latest", "best") if (folder / pointer).exists()}
    for path in steps[: max(0, len(steps) - keep)]:
        if path not in named:
            remove_folder(path)


def has_checkpoint(folder):
    """Whether a training has been saved here."""
    return (Path(folder) / "latest").exists()


def resume_checkpoint(folder, trainer):
    """Put model and optimizer of a trainer where the latest checkpoint of ``folder`` left them; return the Progress.

    Raises
    ------
    CheckpointError
        When there is none, it is damaged, or it belongs to another training: another model, configuration, tokenizer or
        data.
    """
    if not has_checkpoint(folder):
        raise CheckpointError(f"expected a training to resume in {folder}, found none")
    remove_leftovers(folder)
    path = read_pointer(folder, "latest")
    pretrained = load(path)
    progress, config, data = _read_state(path / TRAINER)
    _check_same(path, trainer, pretrained, config, data)
    try:
        trainer.optimizer.load_state(dict(read_tensors(path / OPTIMIZER)), progress.step)
    except ValueError as error:
        raise CheckpointError(f"{path / OPTIMIZER} cannot be used: {error}") from None
    saved = dict(pretrained.model.parameters())
    for name, parameter in trainer.model.parameters():
        parameter.data[...] = array_module(parameter.data).asarray(saved[name].data)
    if progress.best_step is not None:
        point(folder, "best", f"step-{progress.best_step}")  # a crash may have come between `latest` and `best`
    return progress


def _read_state(path):
    """Progress, TrainingConfig and description of the data, from trainer.json."""
    try:
        state = strict_json(path.read_text(encoding="utf-8"))
        progress = Progress(**state["progress"])
        progress.position = Position(*progress.position)
        return progress, TrainingConfig.from_json(json.dumps(state["config"])), state["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not the state of a training: {error}") from None


def _check_same(path, trainer, pretrained, config, data):
    """The continuation must be that of the same training."""
    old, new = config.identity(), trainer.config.identity()
    for name in old:
        if old[name] != new[name]:
            raise CheckpointError(f"{path} was trained with {name} = {old[name]!r}, it cannot go on with {new[name]!r}")
    if data != trainer.data.describe():
        raise CheckpointError(f"{path} was trained on other data: {data}, not {trainer.data.describe()}")
    if pretrained.model.config != trainer.model.config:
        raise CheckpointError(
            f"{path} holds a model of another configuration: {pretrained.model.config}, not {trainer.model.config}"
        )
    if (pretrained.source_tokenizer, pretrained.target_tokenizer) != (
        trainer.source_tokenizer,
        trainer.target_tokenizer,
    ):
        raise CheckpointError(f"{path} was trained with other tokenizers")

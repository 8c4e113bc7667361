"""Training: optimizers, schedules, batches, the Trainer and its evaluation."""

from minisora.training.averaging import average_checkpoints, last_checkpoints
from minisora.training.config import TrainingConfig
from minisora.training.data import PairList, PairStream
from minisora.training.optimizers import SGD, Adam, AdamW
from minisora.training.trainer import Trainer, TrainingResult

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "PairList",
    "PairStream",
    "Trainer",
    "TrainingConfig",
    "TrainingResult",
    "average_checkpoints",
    "last_checkpoints",
]

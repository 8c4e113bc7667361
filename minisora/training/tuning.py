"""The search for a learning rate, a batch and a dropout: each trial trains a new model; optuna chooses what to try.

optuna's TPE sampler models which settings gave low losses so far [1]_. It is seeded for each trial by the number of
trials before it, and its memory is the file of the study, so that a search which was interrupted goes on as if it had
not been.

References
----------
.. [1] Bergstra et al., "Algorithms for Hyper-Parameter Optimization", 2011.
"""

import json
import math
from pathlib import Path
from typing import NamedTuple

STUDY = "study.db"
EXPLODED = ("the loss is ", "expected a finite gradient")  # how the Trainer's messages begin


class Trial(NamedTuple):
    """One training of the search."""

    number: int
    settings: dict  # learning_rate, batch_tokens, dropout
    loss: float  # on dev, nats per target token
    exact_match: float


class Space(NamedTuple):
    """What may be tried: from the first to the second, learning rates and batches evenly in their logarithms."""

    learning_rate: tuple = (1e-4, 1e-2)
    batch_tokens: tuple = (512, 8192)
    dropout: tuple = (0.0, 0.4)

    def suggest(self, trial):
        """Let an optuna trial choose settings."""
        return {
            "learning_rate": trial.suggest_float("learning_rate", *self.learning_rate, log=True),
            "batch_tokens": trial.suggest_int("batch_tokens", *self.batch_tokens, log=True),
            "dropout": trial.suggest_float("dropout", *self.dropout),
        }


class Search:
    """A search whose trials are kept in a folder.

    Parameters
    ----------
    folder : path
        Its file ``study.db`` is made, or gone on with.
    train : callable
        ``train(settings) -> minisora.training.scoring.Score`` on dev, of a new model.
    about : dict
        Of plain values: what the trials have in common. A folder with trials of another one is refused.
    space : Space
    seed : int

    Raises
    ------
    ValueError
        Without optuna, or where the folder holds another search.
    """

    def __init__(self, folder, train, about, *, space=None, seed=0):
        try:
            import optuna
        except ImportError as error:
            raise ValueError("a search needs optuna: pip install 'minisora[tune]'") from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.optuna, self.train, self.space, self.seed = optuna, train, space or Space(), seed
        about = json.loads(json.dumps(about | {"space": self.space, "seed": seed}))
        self.study = open_study(optuna, Path(folder) / STUDY)
        if self.trials():  # else a mistake in a setting would be kept for good
            check_same(folder, self.study.user_attrs["about"], about)
        self.study.set_user_attr("about", about)

    def run(self, count, on_trial=lambda trial: None):
        """Go on until ``count`` trials are complete; return them all.

        A trial that was interrupted is tried again. One whose loss is no longer finite, in training or on dev, counts
        with an infinite loss.
        """
        states = self.optuna.trial.TrialState
        for left_over in self.study.get_trials(states=[states.RUNNING]):
            self.study.tell(left_over.number, state=states.FAIL)
        while len(done := self.trials()) < count:
            self.study.sampler = self.optuna.samplers.TPESampler(seed=self.seed + len(done))
            trial = self.study.ask()
            score = self._score(self.space.suggest(trial))
            trial.set_user_attr("exact_match", score[1])
            self.study.tell(trial, score[0])
            on_trial(self.trials()[-1])
        return done

    def _score(self, settings):
        """Loss and exact match of one training."""
        try:
            score = self.train(settings)
        except ValueError as error:
            if not str(error).startswith(EXPLODED):
                raise
            return math.inf, 0.0
        return score.loss if math.isfinite(score.loss) else math.inf, score.exact_match

    def trials(self):
        """The complete trials, in order."""
        complete = self.study.get_trials(states=[self.optuna.trial.TrialState.COMPLETE])
        return [
            Trial(number, dict(one.params), one.value, one.user_attrs["exact_match"])
            for number, one in enumerate(complete)
        ]


def open_study(optuna, file):
    """The study in a file, which is made if it is not there.

    optuna takes the path as a part of a URL, in which some characters do not stand for themselves.
    """
    from sqlalchemy.exc import SQLAlchemyError

    if set(str(file)) & set("?%{}"):
        raise ValueError(f"a search expects a folder without ?, % and braces in its path, got {str(file.parent)!r}")
    try:
        return optuna.create_study(study_name="minisora", storage=f"sqlite:///{file}", load_if_exists=True)
    except SQLAlchemyError as error:
        raise ValueError(f"{file} cannot be used as the file of a search: {error}".splitlines()[0]) from error


def check_same(folder, known, about):
    """Raise ValueError unless the trials in a folder have in common what those to come have."""
    for name in sorted(known.keys() | about.keys()):
        if known.get(name) != about.get(name):
            was, now = known.get(name), about.get(name)
            raise ValueError(f"{folder} holds a search with {name} = {was!r}, it cannot go on with {now!r}")

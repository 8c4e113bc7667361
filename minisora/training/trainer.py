"""The Trainer: from a model and pairs of texts to a trained model, resumable at every checkpoint."""

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minisora.checkpoint import check_tokenizers
from minisora.files import remove_leftovers
from minisora.kernels import DropoutKey, array_module
from minisora.layers.loss import SoftmaxCrossEntropy
from minisora.training.allocator import keep_freed_memory
from minisora.training.batching import Batches, encode_pairs
from minisora.training.clipping import finite_norm, gradient_norm, scale_gradients
from minisora.training.config import TrainingConfig
from minisora.training.data import PairList, as_data, as_pair
from minisora.training.log import TrainingLog
from minisora.training.meter import Meter
from minisora.training.optimizers import make_optimizer
from minisora.training.regularization import Penalty
from minisora.training.replicas import Replicas
from minisora.training.resume import (
    Progress,
    has_checkpoint,
    point,
    prune,
    restore_best,
    resume_checkpoint,
    save_checkpoint,
)
from minisora.training.scoring import score_pairs
from minisora.training.stopping import Stopping

ADVICE = "a smaller learning rate or a longer warm-up may help"


class TrainingResult(NamedTuple):
    """How a training ended."""

    step: int
    reason: str  # "finished", "stop_after", "max_minutes", "patience" or "interrupted"
    loss: float | None  # nats per target token, mean over the last steps; None when no step was made
    best_step: int | None  # of the checkpoint that `best` names
    records: list  # the log: one dict a line


LONG = 10**14  # additions and multiplications of a training from which on compiling for it pays: some ten minutes


def chosen_backend(config, num_parameters, xp=np):
    """Return the backend that a TrainingConfig names, or that ``"auto"`` picks, by the size of the whole training."""
    work = 6 * num_parameters * config.batch_tokens * config.accumulate * config.steps
    return config.backend if config.backend != "auto" else "numba" if xp is np and work >= LONG else "auto"


class Trainer:
    """Train a model on pairs of texts.

    Parameters
    ----------
    model : SoraModel
        Trained in place, where it is: on the GPU after ``model.to("cuda")``. A step there brings the batch in and takes
        two numbers out at once, the loss and the norm of the gradient: they are looked at before the update, so that a
        step that is not finite changes nothing.
    data : PairStream, PairList or list of (str, str)
        What to train on; a list is repeated, in a new order each epoch.
    source_tokenizer, target_tokenizer : SoraTokenizer
        None for the target: both sides share one.
    config : TrainingConfig
    dev : list of (str, str) or of corpus examples, optional
        Judged by ``config.select`` every ``eval_every`` steps; the best checkpoint is kept and named by the file
        ``best``.
    folder : str or path, optional
        For checkpoints (``step-N``, ``latest``, ``best``) and ``log.jsonl``; None saves nothing.

    Attributes
    ----------
    backend : str
        What computes; ``"auto"`` here means NumPy, and Numba for large attention alone.

    Raises
    ------
    ValueError
        When a tokenizer does not have the size and the special ids that the model's config says, when a text of dev or
        of a list of pairs is empty or longer than the model reads, or when dev is an empty list.
    """

    def __init__(self, model, data, source_tokenizer, target_tokenizer=None, config=None, *, dev=None, folder=None):
        self.model = model
        self.config = config or TrainingConfig()
        self.data = as_data(data, self.config.seed)
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = source_tokenizer if target_tokenizer is None else target_tokenizer
        check_tokenizers(model.config, self.source_tokenizer, self.target_tokenizer, ValueError)
        self.dev = None if dev is None else [as_pair(one) for one in dev]
        self._check_pairs()
        self.folder = None if folder is None else Path(folder)
        self.optimizer = make_optimizer(self.config, model.parameters())
        penalised = (parameter for _, parameter in self.optimizer.named)
        self.penalty = Penalty(penalised, self.config.l1, self.config.l2, self.config.penalize == "all")
        self.loss = SoftmaxCrossEntropy(model.config.pad_id, self.config.label_smoothing)
        self.backend = chosen_backend(self.config, model.num_parameters(), self._array_module())
        self.optimizer.fused_by = self.backend
        for layer in (model, self.loss):
            layer.use_backend(self.backend)
        self.batches = Batches(
            self.data,
            self.source_tokenizer,
            self.target_tokenizer,
            batch_tokens=self.config.batch_tokens,
            batch_examples=self.config.batch_examples,
            chunk_examples=self.config.chunk_examples,
            seed=self.config.seed,
            max_len=model.config.max_len,
        )
        self.progress = Progress()
        self.log = None
        self._saved = None  # step of the last checkpoint written

    def fit(self, *, resume=False, max_minutes=None, stop_after=None, progress_bar=True):
        """Train to ``config.steps``, or until something ends it before; then save.

        Parameters
        ----------
        resume : bool
            Go on from the folder's latest checkpoint, exactly where it stood. False begins anew, and refuses a folder
            that has one; a trainer that has been stopped goes on from where it is.
        max_minutes : float, optional
            End after the step during which the time is over. The schedule follows the steps, not the clock. The last
            model is judged on dev as well; a training that goes on forgets that judgement, as the whole one has none.
        stop_after : int, optional
            End after this step; ``fit(resume=True)`` goes on.
        progress_bar : bool
            Show loss, tokens/s and the time left.

        Returns
        -------
        TrainingResult
            Ctrl-C and SIGTERM end the training after the current step, with everything saved.

        Raises
        ------
        CheckpointError
            On resume, when the checkpoint is damaged or belongs to another training.
        ValueError
            When the folder holds a training and ``resume`` is False, or when the loss or the gradient is no longer
            finite.
        """
        self._begin(resume)
        progress = self.progress
        last = self.config.steps if stop_after is None else min(self.config.steps, stop_after)
        keep_freed_memory()
        replicas = Replicas(self.model, self.config.shards, self.config.threads or self.config.shards)
        meter = Meter(self.config, progress, progress_bar)
        try:
            with Stopping(max_minutes) as stopping, replicas.sharing_cores():
                reason = self._run(progress, last, replicas, meter, stopping)
                best_step = self._finish(progress, reason)
                reason = "interrupted" if stopping.reason() == "interrupted" else reason  # while it judged or saved
        finally:
            meter.close()
            replicas.close()
        return TrainingResult(progress.step, reason, meter.loss, best_step, self.log.records)

    def gradients(self, batches, key, replicas):
        """Fill the gradients with those of the mean loss over all tokens of ``batches``; return (loss, tokens).

        The sum over tokens is divided once, by the number of target tokens of all batches together. The loss is a 0-d
        array in float64 where the model is: nobody has waited for it yet.
        """
        pad = self.model.config.pad_id
        tokens = sum(int((batch.targets != pad).sum()) for batch in batches)
        replicas.zero_grad()
        total = 0.0
        for number, batch in enumerate(batches):
            shards = [
                (shard, key.child(number).child(place))
                for place, shard in enumerate(batch.shards(self.config.shards, pad, pad))
            ]
            total += sum(replicas.map(lambda model, shard: self._backward(model, *shard, 1 / tokens), shards))
        replicas.gather()
        return total / tokens, tokens

    def _check_pairs(self):
        """Encode once what is fixed, so that a text that cannot be read is found before the first step."""
        if self.dev is not None and not self.dev:
            raise ValueError("expected at least one dev pair, got an empty list")
        if self.config.patience and self.dev is None:
            raise ValueError("patience is for judgements on dev, got no dev pairs")
        known = {"dev": self.dev or [], "to train on": self.data.pairs if isinstance(self.data, PairList) else []}
        for name, pairs in known.items():
            try:
                encode_pairs(pairs, self.source_tokenizer, self.target_tokenizer, self.model.config.max_len)
            except ValueError as error:
                raise ValueError(f"pairs {name}: {error}") from None

    def _begin(self, resume):
        """Set where to go on from."""
        if resume:
            if self.folder is None:
                raise ValueError("expected a folder to resume from, got none")
            self.progress = resume_checkpoint(self.folder, self)
            self._saved = self.progress.step
        elif self.folder is not None and self._saved is None:
            if has_checkpoint(self.folder):
                raise ValueError(f"expected a new folder, {self.folder} holds a training: resume it or choose another")
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.folder)
        if self.folder is not None:
            restore_best(self.folder, self.progress.best_step)
        self.log = TrainingLog(self.folder, self.progress.step)

    def _run(self, progress, last, replicas, meter, stopping):
        """Steps until the end; why it ended."""
        minutes, reason = progress.minutes, None
        while progress.step < last and reason is None:
            self._step(progress, replicas, meter)
            progress.minutes = minutes + stopping.seconds() / 60
            meter.show(progress, self.optimizer.lr, self.log)
            reason = stopping.reason()
            if self._is_for_dev(progress.step):
                self._judge(progress)  # whatever ends the training here: its continuation will not come back
                if 0 < self.config.patience <= progress.stale and progress.step < self.config.steps:
                    reason = reason or "patience"
            if reason is None and self._is_due(progress.step, self.config.save_every):
                self._save(progress)
                self._prune()  # after `best` may have moved
        return reason or ("finished" if progress.step == self.config.steps else "stop_after")

    def _finish(self, progress, reason):
        """Save; the best step, that of a judgement among them that the whole training would not have made."""
        self._save(progress)
        if reason == "max_minutes" and not self._is_for_dev(progress.step):
            progress = replace(progress)  # not self.progress, nor what is saved: a continuation must not know of it
            self._judge(progress)
        self._prune()
        return progress.best_step

    def _prune(self):
        if self.folder is not None:
            prune(self.folder, self.config.keep, self.progress.best_step, self.config.save_every)

    def _step(self, progress, replicas, meter):
        """One update: gradients of the accumulated batches, clipping, optimizer."""
        number = progress.step + 1
        batches, position = [], progress.position
        for _ in range(self.config.accumulate):
            batch, position = self.batches.at(position)
            batches.append(batch)
        loss, tokens = self.gradients(batches, DropoutKey(self.config.seed).child(number), replicas)
        loss, norm = self._clip(number, loss)
        self.penalty.backward()
        self.optimizer.lr = self.config.learning_rate_at(number)
        self.optimizer.step()
        progress.step, progress.position, progress.tokens = number, position, progress.tokens + tokens
        meter.count(loss, tokens, norm)

    def _clip(self, number, loss):
        """Clip the gradient of step ``number``; the loss and the norm before as numbers, read together."""
        parameters = [parameter for _, parameter in self.optimizer.named]
        norm = gradient_norm(parameters)
        loss, value = self._array_module().stack([loss, norm.astype(np.float64)]).tolist()
        if not math.isfinite(loss):
            raise ValueError(f"the loss is {loss} at step {number}: {ADVICE}")
        try:
            norm, value = finite_norm(parameters, norm, value)
        except ValueError as error:
            raise ValueError(f"{error} at step {number}: {ADVICE}") from None
        scale_gradients(parameters, self.config.clip, norm)
        return loss, value

    def _judge(self, progress):
        """Score the model on dev, and keep it when it is the best so far."""
        if self.dev is None:
            return
        score = score_pairs(self.model, self.source_tokenizer, self.target_tokenizer, self.dev)
        self.log.write({"step": progress.step, "dev": score._asdict()})
        order = [score.exact_match, -score.loss]
        if self.config.select == "loss":
            order.reverse()
        progress.stale += 1
        if progress.best_score is None or order > progress.best_score:
            progress.best_step, progress.best_score, progress.stale = progress.step, order, 0
            self._save(progress)
            if self.folder is not None:
                point(self.folder, "best", f"step-{progress.step}")

    def _save(self, progress):
        """Write a checkpoint, unless this step's is there already, and delete those that are no longer wanted."""
        if self.folder is not None and self._saved != progress.step:
            save_checkpoint(self.folder, self, progress)
            self._saved = progress.step

    def _is_due(self, step, every):
        return every > 0 and step % every == 0

    def _is_for_dev(self, step):
        return step == self.config.steps or self._is_due(step, self.config.eval_every)

    def _backward(self, model, shard, key, dtotal):
        """Add one shard's gradients into ``model``'s, and return the shard's total loss, a 0-d array in float64."""
        xp = self._array_module()
        source, decoder_ids, targets = (xp.asarray(ids) for ids in shard)
        logits, cache = model.forward(source, decoder_ids, key=key)
        (total, _), loss_cache = self.loss.forward(logits, targets)
        model.backward(self.loss.backward(dtotal, loss_cache), cache)
        return total.astype(np.float64)

    def _array_module(self):
        """NumPy, or CuPy where the model is on the GPU."""
        return array_module(self.optimizer.named[0][1].data)

"""What a training shows while it runs: a bar for people, a line in the log every so many steps."""

import time


class Meter:
    """Count losses and tokens; show them.

    Parameters
    ----------
    config : TrainingConfig
    progress : Progress
        Where the training begins.
    visible : bool
        Whether to draw a bar with the steps, the time left, the loss and the speed.
    """

    def __init__(self, config, progress, visible):
        self.config = config
        self.loss = None  # nats per token, mean over the last interval, or of the steps there were
        self._bar = None
        if visible:
            from tqdm import tqdm

            self._bar = tqdm(total=config.steps, initial=progress.step, unit="step", dynamic_ncols=True, smoothing=0.05)
        self._restart()

    def count(self, loss, tokens, norm):
        """Take in one step: mean loss, target tokens, norm of the gradient."""
        self._nats += loss * tokens
        self._tokens += tokens
        self._norm = norm

    def show(self, progress, learning_rate, log):
        """Move the bar; write to the log when it is time."""
        if self._bar is not None:
            self._bar.update(progress.step - self._bar.n)
        if progress.step % self.config.log_every and progress.step != self.config.steps:
            return
        self.loss = self._nats / self._tokens
        speed = self._tokens / max(time.monotonic() - self._since, 1e-9)
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {self.loss:.4f}, {speed:,.0f} tokens/s", refresh=False)
        log.write(
            {
                "step": progress.step,
                "loss": self.loss,
                "learning_rate": learning_rate,
                "gradient_norm": float(self._norm),
                "tokens": progress.tokens,
                "tokens_per_second": round(speed, 1),
                "minutes": round(progress.minutes, 5),
            }
        )
        self._restart()

    def close(self):
        """Leave the bar as it is; where no interval was completed, the loss is that of the steps there were."""
        if self.loss is None and self._tokens:
            self.loss = self._nats / self._tokens
        if self._bar is not None:
            self._bar.close()

    def _restart(self):
        self._nats, self._tokens, self._norm, self._since = 0.0, 0, 0.0, time.monotonic()

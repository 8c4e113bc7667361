"""The thread that computes: those who wait are answered together, as one batch."""

import logging
import threading
from collections import deque

from threadpoolctl import threadpool_limits

from minisora.generation import generate
from minisora.serving.documents import DOCUMENTS
from minisora.serving.safe_log import place_of

TOGETHER = 32

logger = logging.getLogger(__name__)


class Worker:
    """One thread with a model.

    Parameters
    ----------
    pretrained : Pretrained
    together : int
        How many are answered in one batch.
    """

    def __init__(self, pretrained, *, together=TOGETHER):
        self.pretrained, self.together = pretrained, together
        self._waiting, self._changed, self._stopped = deque(), threading.Condition(), False
        self._thread = threading.Thread(target=self._run, name="minisora-worker", daemon=True)

    def start(self):
        """Begin to work."""
        self._thread.start()

    def stop(self):
        """End after the batch that is being computed; nobody may wait any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def submit(self, job):
        """Queue a `Job`."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def _run(self):
        with threadpool_limits(1, user_api="blas"):  # one token's products are too small for more: they would only wait
            while jobs := self._next():
                self._compute(jobs)

    def _compute(self, jobs):
        try:
            self._answer(jobs) if jobs[0].kind == "answer" else self._attend(jobs[0])
        except Exception as error:
            logger.error("%s failed: %s", jobs[0].kind, place_of(error))
            for job in jobs:
                job.fail()

    def _next(self):
        """Wait, and return those that are computed together; none when the worker is to stop."""
        with self._changed:
            while not self._stopped:
                if jobs := self._first():
                    return jobs
                self._changed.wait()
        return []

    def _first(self):
        """Take from those who wait: one that asks for a document, or as many as may be answered together."""
        jobs = []
        while self._waiting and len(jobs) < self.together:
            if jobs and self._waiting[0].kind != "answer":
                break
            job = self._waiting.popleft()
            if not job.left:
                jobs.append(job)
            if jobs and jobs[0].kind != "answer":
                break
        return jobs

    def _answer(self, jobs):
        pieces = generate(*self.pretrained, [job.source for job in jobs], stream=True, batch_size=len(jobs))
        for place, piece in pieces:
            jobs[place].put(piece)
            if all(job.left for job in jobs):
                pieces.close()
        for job in jobs:
            job.end()

    def _attend(self, job):
        for part in DOCUMENTS[job.kind](self.pretrained, job.source):
            job.put(part)
        job.end()

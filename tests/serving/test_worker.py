"""The thread that computes: who is answered together, who is left out, and what is not computed to its end."""

import asyncio
import threading

import pytest

pytest.importorskip("starlette", reason="needs the extra serve")

from minisora.serving.job import Job
from minisora.serving.worker import Worker

QUESTION, ANSWER = "今天天气怎么样？", "今天天气晴朗，气温适中。"


async def text_of(job):
    return "".join([piece async for piece in job.pieces()])


class Watched(Worker):
    """Notes the batches."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.batches = []

    def _compute(self, jobs):
        self.batches.append([job.kind for job in jobs])
        super()._compute(jobs)


def test_who_waits_is_answered_together(pretrained):
    """At most four at once; attention is computed alone, in its turn; who has left is passed over."""

    async def run():
        kinds = ["answer"] * 6 + ["attention"] + ["answer"] * 2
        jobs = [Job(QUESTION, kind) for kind in kinds]
        jobs[1].left = True
        for job in jobs:
            worker.submit(job)
        worker.start()
        return await asyncio.gather(*(text_of(job) for job in jobs if not job.left))

    worker = Watched(pretrained, together=4)
    texts = asyncio.run(run())
    worker.stop()
    assert worker.batches == [["answer"] * 4, ["answer"], ["attention"], ["answer"] * 2]
    assert [text for text in texts if text != ANSWER] == [texts[5]] and texts[5].startswith('{"format": ')


def test_an_answer_that_nobody_waits_for_is_not_computed_to_its_end(pretrained):
    """The job is left as its second piece is handed over."""

    class Leaving(Job):
        pieces_put = 0

        def put(self, piece):
            self.pieces_put += 1
            self.left = self.pieces_put == 2
            super().put(piece)

    async def run():
        job = Leaving(QUESTION, "answer")
        worker.submit(job)
        worker.start()
        return await text_of(job), job

    worker = Worker(pretrained)
    text, job = asyncio.run(run())
    worker.stop()
    assert text == ANSWER[:2] and job.pieces_put == 3  # two of the answer, and the end


def test_a_worker_that_nobody_asks_stops(pretrained):
    before = threading.active_count()
    worker = Worker(pretrained)
    worker.start()
    worker.stop()
    assert threading.active_count() == before

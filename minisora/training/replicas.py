"""Replicas of a model, so that the shards of a batch can run on several threads at once.

A replica shares every parameter's ``data`` with the original and owns its ``grad``. NumPy lets go of the interpreter's
lock inside its loops and products, so two threads keep two cores busy. Each shard adds into the gradients of its own
replica, and the replicas are added in the order of the shards: the sum does not depend on which thread was faster, nor
on how many there are.
"""

import copy
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

from minisora.kernels.threads import at_most, num_threads


def replica(model):
    """A copy of ``model`` with the same parameter arrays and gradients of its own; tied parameters stay tied."""
    shared = {id(parameter.data): parameter.data for _, parameter in model.parameters()}
    twin = copy.deepcopy(model, shared)  # deepcopy takes what its memo already holds: the arrays themselves
    twin.zero_grad()
    return twin


class Replicas:
    """A model and its replicas, and the threads that work on them.

    Parameters
    ----------
    model : Layer
    shards : int
        How many models there are, the given one among them.
    threads : int
        How many of them work at once; has no influence on the numbers.
    """

    def __init__(self, model, shards, threads):
        self.models = [model, *(replica(model) for _ in range(shards - 1))]
        self._parameters = [[parameter for _, parameter in one.parameters()] for one in self.models]
        self._at_once = min(threads, shards)
        self._pool = ThreadPoolExecutor(self._at_once, "minisora-shard") if self._at_once > 1 else None
        self._threads_each = max(1, num_threads() // self._at_once)

    def zero_grad(self):
        """Set the gradients of all of them to zero."""
        self._at_the_same_time(lambda model: model.zero_grad(), self.models)

    def map(self, function, shards):
        """``[function(model, shard) for each shard]``, each with its own model."""
        pairs = list(zip(self.models, shards, strict=False))  # a small batch has fewer shards
        if self._pool is None:
            return [function(model, shard) for model, shard in pairs]
        futures = [self._pool.submit(self._limited, function, model, shard) for model, shard in pairs]
        return [future.result() for future in futures]

    def _limited(self, function, model, shard):
        with at_most(self._threads_each):
            return function(model, shard)

    def sharing_cores(self):
        """A context in which BLAS, called by several models at once, leaves each of them its share of the cores."""
        if self._pool is None:
            return nullcontext()
        from threadpoolctl import threadpool_limits

        return threadpool_limits(self._threads_each, user_api="blas")

    def gather(self):
        """Add the replicas' gradients into the first model's, in order; each thread has a part of every array."""
        self._at_the_same_time(self._gather, range(self._at_once))

    def _gather(self, part):
        for parameters in self._parameters[1:]:
            for parameter, own in zip(self._parameters[0], parameters, strict=True):
                rows = len(own.grad)
                here = slice(part * rows // self._at_once, (part + 1) * rows // self._at_once)
                parameter.grad[here] += own.grad[here]

    def _at_the_same_time(self, function, arguments):
        for _ in (map if self._pool is None else self._pool.map)(function, arguments):
            pass

    def close(self):
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown()

"""The gradients of attention: what backward passes give to every head, for the loss of each token of an answer."""

from copy import deepcopy

import numpy as np

from minisora.kernels import attention_steps
from minisora.layers.layer import Parameter, mover
from minisora.layers.loss import SoftmaxCrossEntropy


class Listening:
    """An attention backend that notes dweights, (B, H, T, S), of every backward.

    Parameters
    ----------
    backend : Backend
        What computes.
    """

    def __init__(self, backend):
        self.name, self.forward, self._backend = backend.name, backend.forward, backend
        self.dweights = None

    def backward(self, dout, cache):
        """Note the step of backward that the kernels pass over, and go on."""
        self.dweights = attention_steps(cache, dout).dweights
        return self._backend.backward(dout, cache)


def attention_layers(model):
    """The attention layers by kind, first to last: ``encoder`` and ``decoder`` are self-attention."""
    stack = model.encoder.stack
    encoder = stack.layers if hasattr(stack, "layers") else [stack.top]  # the recurrent encoder attends once, on top
    decoder = model.decoder.stack.layers
    return {
        "encoder": [layer.self_attention for layer in encoder],
        "decoder": [layer.self_attention for layer in decoder],
        "cross": [layer.cross_attention for layer in decoder],
    }


def attention_caches(cache):
    """The caches of those layers, in the same order, from a `SoraModelCache`."""
    encoder, decoder = cache.encoder.stack.layers, cache.decoder.stack.layers
    return {
        "encoder": [layer.self_attention for layer in encoder],
        "decoder": [layer.self_attention for layer in decoder],
        "cross": [layer.cross_attention for layer in decoder],
    }


def twin_of(model):
    """A copy of a model on the CPU, computing in NumPy, with the same weights and gradients of its own.

    The model itself is left as it is: neither its gradients nor its backend are touched, whoever uses it meanwhile.
    """
    parameters = {id(one): Parameter(mover("cpu")(one.data)) for _, one in model.parameters()}
    return deepcopy(model, parameters).use_backend("numpy")


def gradients_of(twin, source_ids, read, targets):
    """dweights of every attention layer, for N losses of one answer.

    Parameters
    ----------
    twin : SoraModel
        One that `twin_of` made: gradients are added into its parameters.
    source_ids : int array (1, S)
    read : int array (1, T)
        What the decoder reads, bos first.
    targets : int array (N, T)
        Row n has the tokens whose -log p are summed to loss n, and pad_id elsewhere.

    Returns
    -------
    dict of str to list of arrays
        By kind as in `attention_layers`, of each layer (N, H, T, S): of loss n by the weights before it.

    Raises
    ------
    ValueError
        Where an attention layer of one's own computes without a backend.
    """
    listening = {kind: [listen(layer) for layer in layers] for kind, layers in attention_layers(twin).items()}
    loss, count = SoftmaxCrossEntropy(twin.config.pad_id), len(targets)
    logits, cache = twin.forward(np.repeat(source_ids, count, axis=0), np.repeat(read, count, axis=0))
    _, loss_cache = loss.forward(logits, targets)
    twin.backward(loss.backward(1.0, loss_cache), cache)
    return {kind: [noted(one) for one in layers] for kind, layers in listening.items()}


def listen(layer):
    """Put a `Listening` before a layer's backend, unless there is one."""
    if not hasattr(layer, "backend"):
        raise without_backend(type(layer).__name__)
    if not isinstance(layer.backend, Listening):
        layer.backend = Listening(layer.backend)
    return layer


def noted(layer):
    """What a layer's `Listening` has noted."""
    if layer.backend.dweights is None:
        raise without_backend(type(layer).__name__)
    return layer.backend.dweights


def without_backend(name):
    """The error for an attention layer whose gradients nobody hears of."""
    return ValueError(
        "gradients are expected of attention layers that compute with self.backend, as MultiHeadAttention does, "
        f"got {name}: gradients=False shows its weights alone"
    )

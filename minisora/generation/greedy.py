"""Greedy decoding: at every step the most probable token."""

from minisora.generation.choice import Choice
from minisora.generation.config import GenerationConfig
from minisora.generation.decode import collect, decode, start
from minisora.kernels import DropoutKey


def greedy(model, source_ids, *, max_len=None, source_mask=None):
    """Decode a batch token by token, with the decoder's key/value cache, until each sequence has ended.

    Parameters
    ----------
    model : SoraModel
    source_ids : int array (B, S)
    max_len : int, optional
        Longest output, in tokens; config.max_len when None, which it may not exceed.
    source_mask : bool array (B, S), optional
        True = may be attended; ``source_ids != pad_id`` when None.

    Returns
    -------
    list of list of int
        The ids of each sequence, without bos and eos.
    """
    state = start(model, source_ids, max_len, source_mask)
    choice = Choice(GenerationConfig(), [DropoutKey(0)] * state.batch, state)
    outputs, _ = collect(decode(model, state, choice), state.batch, model.config.eos_id)
    return outputs

"""The mean of a training's last checkpoints: often better than each of them.

References
----------
Vaswani et al., "Attention Is All You Need", 2017, section 6.1: the mean of the last 5 checkpoints, or of 20.
"""

import numpy as np

from minisora.checkpoint import load
from minisora.training.resume import checkpoints


def last_checkpoints(folder, count, every):
    """Return the folders of the last ``count`` checkpoints at multiples of ``every`` steps, the oldest first.

    Parameters
    ----------
    folder : str or path
        Of a training, see `minisora.training.resume`.
    count : int
    every : int
        Its ``save_every``. Where a training was stopped there is a checkpoint too, which an uninterrupted one has not.

    Raises
    ------
    ValueError
        When there are fewer: the training's ``keep`` says how many stay.
    """
    regular = [path for step, path in checkpoints(folder).items() if step % every == 0]
    if len(regular) < count:
        raise ValueError(f"expected {count} checkpoints at multiples of {every} steps in {folder}, got {len(regular)}")
    return regular[-count:]


def average_checkpoints(folders):
    """Load the models of several checkpoints of one training, and return one with the mean of their parameters.

    Parameters
    ----------
    folders : sequence of str or path

    Returns
    -------
    Pretrained
        Model, source tokenizer, target tokenizer.

    Raises
    ------
    ValueError
        When there is none, or when they do not have the same configuration and tokenizers.
    """
    if not folders:
        raise ValueError("expected at least one checkpoint to take the mean of, got none")
    first, *others = (load(folder) for folder in folders)
    parameters = [parameter for _, parameter in first.model.parameters()]
    sums = [parameter.data.astype(np.float64) for parameter in parameters]
    for folder, other in zip(folders[1:], others, strict=True):
        if (other.model.config, *other[1:]) != (first.model.config, *first[1:]):
            raise ValueError(f"expected checkpoints of one training, {folder} is of another than {folders[0]}")
        for total, (_, parameter) in zip(sums, other.model.parameters(), strict=True):
            total += parameter.data
    for parameter, total in zip(parameters, sums, strict=True):
        parameter.data[...] = total / len(folders)
    return first

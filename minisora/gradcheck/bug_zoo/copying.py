"""Mistakes of the copy head."""

import numpy as np

from minisora.gradcheck.bug_zoo.seen import seen
from minisora.layers import copy_head
from minisora.layers.copy_head import CopyHead


@seen("abisee/pointer-generator#41: tf.scatter_nd over the tokens of the source, of which some come twice")
def copies_of_one_token_written_over_each_other(patch):
    """A token that stands in several places has what the last of them gives it, where their sum is due."""

    def same_tokens(source_ids, visible):
        batch, length = source_ids.shape
        return np.broadcast_to(np.eye(length, dtype=bool), (batch, length, length)), np.tile(
            np.arange(length), (batch, 1)
        )

    patch.setattr(copy_head, "same_tokens", same_tokens)


@seen("abisee/pointer-generator#41: the scores of padding were not masked")
def padding_is_copied(patch):
    right, right_step = CopyHead.forward, CopyHead.step

    def forward(self, logits, x, memory, source_ids, *, key=None, memory_mask=None):
        return right(self, logits, x, memory, source_ids, key=key)

    patch.setattr(CopyHead, "forward", forward)
    patch.setattr(
        CopyHead, "step", lambda self, logits, x, remembered, mask=None: right_step(self, logits, x, remembered)
    )

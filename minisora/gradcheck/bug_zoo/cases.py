"""The mistakes, each with the check that catches it and what the report must say of it."""

from collections.abc import Callable
from typing import NamedTuple

from minisora.gradcheck.bug_zoo import gradients


class Case(NamedTuple):
    """One mistake under one of the built-in checks."""

    plant: Callable  # plant(patch) makes the mistake
    caught_by: str
    tensor: str | None = None  # where the largest error stands
    blind: str | None = None  # a check that the mistake passes
    step: str | None = None  # the first wrong step that the report must name
    hint: str | None = None  # a part of its reason; None: there must be none

    @property
    def name(self):
        """The mistake in words."""
        return self.plant.__name__.replace("_", " ")


CASES = [
    Case(
        gradients.softmax_backward_divided_by_the_batch,
        "attention/plain",
        "q",
        step="dscores",
        hint="divided by B once too often",
    ),
    Case(
        gradients.softmax_backward_divided_by_the_batch,
        "MultiHeadAttention/self",
        step="dscores",
        hint="divided by B once too often",
    ),
    Case(gradients.softmax_backward_without_the_sum, "attention/causal", step="dscores"),
    Case(
        gradients.attention_backward_without_the_scale, "attention/scale", "q", step="dq", hint="a missing factor scale"
    ),
    Case(
        gradients.attention_backward_without_dropout,
        "MultiHeadAttention/self-dropout",
        blind="MultiHeadAttention/self",
        step="dweights",
    ),
    Case(gradients.gamma_outside_the_sums, "LayerNorm/rows", "x", step="dx"),
    Case(gradients.layer_norm_backward_forgets_eps, "LayerNorm/large-eps", "x", step="dgamma"),
    Case(gradients.layer_norm_forward_with_std_plus_eps, "LayerNorm/rows", step="out (forward)"),
    Case(gradients.layer_norm_forward_with_the_unbiased_std, "LayerNorm/rows", step="out (forward)"),
    Case(
        gradients.cross_entropy_divided_twice,
        "SoftmaxCrossEntropy/padding",
        "logits",
        step="dlogits",
        hint="divided by N once too often",
    ),
    Case(
        gradients.cross_entropy_mean_over_tokens_forward_and_over_sequences_backward,
        "SoftmaxCrossEntropy/smoothing",
        "logits",
        step="dlogits",
        hint="a missing 1/T",
    ),
    Case(
        gradients.target_picked_by_value,
        "SoftmaxCrossEntropy/equal-logits",
        "logits",
        blind="SoftmaxCrossEntropy/padding",
        step="dlogits",
    ),
    Case(gradients.padding_has_a_gradient, "SoftmaxCrossEntropy/padding", "logits", step="dlogits"),
    Case(
        gradients.dropout_keeps_its_mask_in_the_layer,
        "Dropout/on",
        "x",
        blind="Dropout/off",
        step="dx",
        hint="keeps something of a call",
    ),
    Case(
        gradients.dropout_keeps_its_mask_in_the_layer,
        "EncoderLayer/post-gelu-dropout",
        blind="EncoderLayer/post-relu",
        step="dropout_1.dx",
        hint="keeps something of a call",
    ),
    Case(
        gradients.repeated_ids_dropped,
        "TokenEmbedding/repeated-ids",
        "table",
        step="dtable",
        hint="the last place of each repeated id",
    ),
    Case(
        gradients.repeated_ids_dropped,
        "SoraModel/pre-tie-none-direction",
        step="decoder.embedded.embedding.dtable",
        hint="the last place of each repeated id",
    ),
    Case(gradients.gelu_with_the_other_backward, "GELU/exact", "x", blind="ReLU/rows", step="dx"),
    Case(gradients.gelu_with_the_other_backward, "GELU/tanh", "x", step="dx"),
    Case(
        gradients.decoder_overwrites_dmemory,
        "Decoder/pre-gelu-tanh-dropout",
        "memory",
        blind="DecoderLayer/post-relu",
        step="dmemory",
    ),
    Case(gradients.decoder_overwrites_dmemory, "SoraModel/post-tie-none-direction", step="decoder.stack.dmemory"),
    Case(gradients.tied_table_gets_one_gradient_of_two, "TiedLinear/table"),
]

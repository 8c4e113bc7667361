"""The mistakes, each with the check that catches it and what the report must say of it.

`CASES` are those that gradient checks catch; `WIRING` those that only a property of the whole shows.
"""

from collections.abc import Callable
from typing import NamedTuple

from minisora.gradcheck.bug_zoo import copying, gradients, recurrent, wiring, word_vectors


class Case(NamedTuple):
    """One mistake under one of the built-in checks."""

    plant: Callable  # plant(patch) makes the mistake
    caught_by: str
    tensor: str | None = None  # where the largest error stands; None where rounding decides between two
    blind: str | None = None  # a check that the mistake passes
    step: str | None = None  # the first wrong step that the report must name
    hint: str | None = None  # a part of its reason; None: there must be none
    learner: str = "Transformer"  # of `LEARNERS`, whose training shows what the mistake costs

    @property
    def name(self):
        """The mistake in words."""
        return self.plant.__name__.replace("_", " ")

    @property
    def seen(self):
        """Where others shipped it."""
        return self.plant.seen


class Wiring(NamedTuple):
    """One mistake that leaves the gradients of its part right, and properties that it breaks."""

    plant: Callable
    broken: tuple[str, ...]
    blind: str  # a gradient check of the very part, which the mistake passes
    learner: str = "Transformer"

    name = Case.name
    seen = Case.seen


CASES = [
    Case(
        gradients.softmax_backward_divided_by_the_batch,
        "attention/plain",
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
        step="dlosses",
        hint="divided by N once too often",
    ),
    Case(
        gradients.cross_entropy_mean_over_tokens_forward_and_over_sequences_backward,
        "SoftmaxCrossEntropy/smoothing",
        "logits",
        step="dlosses",
        hint="a missing 1/T",
    ),
    Case(
        gradients.target_picked_by_value,
        "SoftmaxCrossEntropy/equal-logits",
        "logits",
        blind="SoftmaxCrossEntropy/padding",
        step="dlogits",
    ),
    Case(gradients.padding_has_a_gradient, "SoftmaxCrossEntropy/padding", "logits", step="dlosses"),
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
    Case(
        recurrent.gradient_of_the_state_overwritten_by_that_of_the_output,
        "Recurrent/rnn-right-holes",
        step="the gradient that reaches w_x",
        learner="LSTM",
    ),
    Case(
        recurrent.gradient_of_the_memory_cell_overwritten,
        "Recurrent/lstm-left-padding",
        step="the gradient that reaches w_x",
        learner="LSTM",
    ),
    Case(
        recurrent.forget_gate_without_its_derivative,
        "Recurrent/lstm-right-whole",
        step="the gradient that reaches w_x",
        learner="LSTM",
    ),
    Case(
        recurrent.biases_of_all_gates_get_the_forget_gate_s_gradient,
        "Recurrent/lstm-right-whole",
        step="dw_x.bias",
        learner="LSTM",
    ),
    Case(
        recurrent.reset_gate_before_the_product,
        "Recurrent/gru-left-padding",
        blind="Recurrent/lstm-left-padding",
        step="the gradient that reaches w_x",
        learner="GRU",
    ),
    Case(
        copying.copies_of_one_token_written_over_each_other,
        "CopyHead/visible",
        step="the gradient that reaches w_q",
        learner="copying",
    ),
    Case(
        word_vectors.gradient_of_the_mean_given_whole_to_each_word,
        "Word2Vec/cbow-negative-sampling",
        "v",
        blind="Word2Vec/skip-gram-negative-sampling",
        step="dv",
        learner="CBOW",
    ),
    Case(
        word_vectors.word_twice_in_the_window_counted_once,
        "Word2Vec/cbow-softmax",
        "v",
        blind="Word2Vec/skip-gram-softmax",
        step="dv",
        learner="CBOW",
    ),
    Case(
        word_vectors.noise_drawn_twice_counted_once,
        "Word2Vec/skip-gram-negative-sampling",
        "u",
        blind="Word2Vec/skip-gram-softmax",
        step="du",
        learner="CBOW",
    ),
    Case(
        word_vectors.each_side_gets_its_own_vectors,
        "GloVe/least-squares",
        blind="GloVe/softmax",
        step="dw",
        learner="GloVe",
    ),
]

WIRING = [
    Wiring(
        wiring.cross_attention_asks_from_the_memory,
        (
            "causal",
            "known gradient",
            "padding",
            "batch order",
            "batch of one",
            "listening",
            "cache",
            "reorder",
            "reached",
        ),
        blind="MultiHeadAttention/self",
    ),
    Wiring(
        wiring.cross_attention_looks_at_the_target,
        ("causal", "known gradient", "listening", "cache", "reached"),
        blind="MultiHeadAttention/cross",
    ),
    Wiring(
        wiring.heads_cut_without_a_permutation,
        ("known gradient", "padding", "whole positions", "cache"),
        blind="MultiHeadAttention/cross",
    ),
    Wiring(wiring.softmax_shifted_by_the_largest_of_all, ("large scores",), blind="attention/padding"),
    Wiring(wiring.minus_infinity_on_a_row_that_sees_nothing, ("blind row",), blind="attention/padding"),
    Wiring(wiring.minus_a_billion_on_a_row_that_sees_nothing, ("blind row",), blind="attention/padding"),
    Wiring(wiring.causal_mask_aligned_at_the_other_corner, ("causal corner",), blind="attention/causal"),
    Wiring(wiring.positional_base_of_100000, ("positions",), blind="SinusoidalPositions"),
    Wiring(wiring.layer_norm_without_eps, ("layer norm",), blind="LayerNorm"),
    Wiring(wiring.layer_norm_with_std_plus_eps, ("layer norm",), blind="LayerNorm"),
    Wiring(wiring.layer_norm_with_the_unbiased_variance, ("layer norm",), blind="LayerNorm"),
    Wiring(
        wiring.layer_norm_over_time_too,
        ("causal", "known gradient", "padding", "cache", "layer norm"),
        blind="LayerNorm",
    ),
    Wiring(
        wiring.layer_norm_over_the_batch_too,
        ("causal", "known gradient", "padding", "batch order", "batch of one", "cache", "reorder", "layer norm"),
        blind="LayerNorm",
    ),
    Wiring(wiring.loss_divided_by_its_own_count, ("summed loss",), blind="SoftmaxCrossEntropy"),
    Wiring(wiring.tied_weights_updated_twice, ("tied once",), blind="TiedLinear"),
    Wiring(wiring.step_forgets_the_position, ("cache",), blind="DecoderLayer/pre-no-padding"),
    Wiring(wiring.step_forgets_the_memory_mask, ("cache",), blind="DecoderLayer/pre-no-padding"),
    Wiring(wiring.step_forgets_the_last_norm, ("cache",), blind="DecoderLayer/pre-no-padding"),
    Wiring(wiring.step_remembers_keys_as_values, ("cache",), blind="DecoderLayer/pre-no-padding"),
    Wiring(wiring.reorder_forgets_the_past, ("reorder",), blind="DecoderLayer/pre-no-padding"),
    Wiring(wiring.reorder_forgets_the_memory_mask, ("reorder",), blind="DecoderLayer/pre-no-padding"),
    Wiring(recurrent.padding_updates_the_state, ("padding", "without padding"), blind="Recurrent", learner="LSTM"),
    Wiring(
        recurrent.states_from_the_right_are_not_turned_back,
        ("two directions", "without padding"),
        blind="Bidirectional",
        learner="LSTM",
    ),
    Wiring(copying.padding_is_copied, ("padding", "without padding"), blind="CopyHead", learner="copying"),
    Wiring(word_vectors.log_of_the_counts_added, ("counts",), blind="GloVe", learner="GloVe"),
]

"""Mistakes of word2vec and GloVe: gradients that are not those of the loss, and a loss that is not the paper's."""

import numpy as np

from minisora.gradcheck.bug_zoo.seen import seen
from minisora.text import glove, word2vec


@seen("word2vec.c, hence facebookresearch/fastText#910, piskvorky/gensim#3266; Irsoy et al., insights-1.1, 2021")
def gradient_of_the_mean_given_whole_to_each_word(patch):
    """dv[i] = dh, where h is a mean of which v[i] is but one part."""
    right = word2vec.hidden_backward
    ones = np.ones_like
    patch.setattr(word2vec, "hidden_backward", lambda dh, cache: right(dh, cache._replace(counts=ones(cache.counts))))


@seen("piskvorky/gensim#242: model.syn0[word2_indices] += neu1e, where a word stands twice in the window")
def word_twice_in_the_window_counted_once(patch):
    def hidden_backward(dh, cache):
        dv = np.zeros((cache.size, dh.shape[1]), dh.dtype)
        for inputs, d in zip(cache.inputs, dh / cache.counts):
            dv[inputs[inputs >= 0]] += d
        return dv

    patch.setattr(word2vec, "hidden_backward", hidden_backward)


@seen("ZacBi/CS224n-2019-solutions#5: gradOutsideVecs[negSampleWordIndices] += ..., where noise comes twice")
def noise_drawn_twice_counted_once(patch):
    right = word2vec.negative_sampling_backward

    def negative_sampling_backward(dlosses, cache):
        dh, du = right(dlosses, cache)[0], np.zeros_like(cache.u)
        for h, targets, dscores in zip(cache.h, cache.targets, cache.slopes * dlosses[:, None]):
            du[targets] += dscores[:, None] * h
        return dh, du

    patch.setattr(word2vec, "negative_sampling_backward", negative_sampling_backward)


@seen("stanfordnlp/GloVe#19, #51, where it was proposed as a correction")
def each_side_gets_its_own_vectors(patch):
    """dw_i = dscores w_i, where the derivative of w_i . c_j by w_i is c_j."""
    right = glove.least_squares_backward
    patch.setattr(
        glove,
        "least_squares_backward",
        lambda dlosses, cache: right(dlosses, cache._replace(w=cache.c, c=cache.w)),
    )


@seen("noaRricky/pytorch-glove#1: + log X in the loss, where log X is to be subtracted")
def log_of_the_counts_added(patch):
    right = glove.least_squares_forward
    patch.setattr(
        glove,
        "least_squares_forward",
        lambda w, c, b, d, rows, columns, *, counts, **options: _weighted_by(
            counts, right(w, c, b, d, rows, columns, counts=1 / counts, **options), **options
        ),
    )


def _weighted_by(counts, result, **options):
    """Losses and cache of the differences in ``result``, with the weights of these counts."""
    _, cache = result
    weights = glove.cell_weights(counts, **options)
    return weights * cache.differences**2, cache._replace(weights=weights)

"""From texts to answers: every strategy, whole or as they come, with what attention looked at and the beams."""

from typing import NamedTuple

from minisora.generation.attention_maps import AttentionMaps, Watch
from minisora.generation.batches import batches_of
from minisora.generation.beam import beam_search
from minisora.generation.beam_tree import BeamNode
from minisora.generation.choice import Choice
from minisora.generation.config import GenerationConfig
from minisora.generation.decode import collect, decode, start
from minisora.generation.stream import TextStream


class Hypothesis(NamedTuple):
    """One answer to a text."""

    text: str
    ids: list  # without bos and eos
    score: float | None  # of beam search: log-probability / length penalty
    attention: AttentionMaps | None


class Generated(NamedTuple):
    """What was generated for one text."""

    hypotheses: list[Hypothesis]  # n_best of them, the best first
    beams: list[BeamNode] | None  # the tree of the beam search

    @property
    def text(self):
        """The best answer."""
        return self.hypotheses[0].text


def generate(
    model,
    source_tokenizer,
    target_tokenizer,
    texts,
    *,
    stream=False,
    return_attention=False,
    return_beams=False,
    **options,
):
    """Answer texts by greedy decoding, sampling or beam search.

    Parameters
    ----------
    model : SoraModel
    source_tokenizer, target_tokenizer : SoraTokenizer
    texts : list of str
        None may be empty or longer than the model reads.
    stream : bool
        Give text as it comes; not with beams, which are undecided until the end.
    return_attention : bool
        With each answer the weights of all attention layers, see `AttentionMaps`.
    return_beams : bool
        With each text's answers every hypothesis of the beam search, see `BeamNode`.
    **options
        The fields of `GenerationConfig`: max_len, temperature, top_k, top_p, beams, seed and so on.

    Returns
    -------
    list of Generated, or iterator of (int, str)
        One for each text, in their order. With ``stream``, which text goes on, and its next piece: the pieces of a
        text, joined, are its answer.

    Raises
    ------
    ValueError
        For texts that cannot be read, and options out of their ranges or without effect.
    """
    config = GenerationConfig(**options)
    check_returns(config, stream, return_attention, return_beams)
    batches = batches_of(model, source_tokenizer, texts, config)
    if stream:
        return pieces(model, target_tokenizer, batches, config)
    found = [None] * len(texts)
    for batch in batches:
        generated = generate_batch(model, target_tokenizer, batch, config, return_attention, return_beams)
        for place, one in zip(batch.places, generated, strict=True):
            found[place] = one
    return found


def check_returns(config, stream, return_attention, return_beams):
    """Raise ValueError where what is to be returned does not go together with the strategy."""
    if stream and (config.beams > 1 or return_attention or return_beams):
        raise ValueError("expected stream=True without beams, return_attention and return_beams: it gives text alone")
    if return_beams and config.beams == 1:
        raise ValueError("expected return_beams=True with beams of at least 2, got 1, which is no beam search")


def pieces(model, tokenizer, batches, config):
    """Yield (place of the text, piece) as tokens are chosen."""
    for batch in batches:
        streams = [TextStream(tokenizer) for _ in batch.places]
        for running, tokens in chosen(model, batch, config):
            for i, token in zip(running, tokens, strict=True):
                if token != model.config.eos_id and (piece := streams[i].add(token)):
                    yield batch.places[i], piece
        for place, one in zip(batch.places, streams, strict=True):
            if piece := one.rest():
                yield place, piece


def chosen(model, batch, config, watch=None):
    """The steps of greedy decoding or sampling, see `decode`."""
    state = start(model, batch.ids, longest(model, config), batch.mask, watch)
    return decode(model, state, Choice(config, batch.keys, state), watch)


def longest(model, config):
    """How many tokens an answer may have."""
    return min(config.max_len, model.config.max_len)


def generate_batch(model, tokenizer, batch, config, return_attention, return_beams):
    """Return one `Generated` for each text of a batch."""
    watch = Watch() if return_attention else None
    search = walk if config.beams == 1 else search_beams
    generated = []
    for i, (found, beams) in enumerate(search(model, batch, config, watch)):
        length = int(batch.mask[i].sum())
        hypotheses = [
            Hypothesis(tokenizer.decode(ids), ids, score, watch and watch.maps(i, length, rows))
            for ids, score, rows in found
        ]
        generated.append(Generated(hypotheses, beams if return_beams else None))
    return generated


def walk(model, batch, config, watch):
    """For each text, by greedy decoding or sampling: [(ids, no score, rows of the state)], and no beams."""
    outputs, rows = collect(chosen(model, batch, config, watch), len(batch.places), model.config.eos_id)
    return [([(ids, None, at)], None) for ids, at in zip(outputs, rows, strict=True)]


def search_beams(model, batch, config, watch):
    """For each text, by beam search: [(ids, score, rows of the state), ...], the best first, and all beams."""
    limit = longest(model, config)
    trees = beam_search(model, batch.ids, config, max_len=limit, source_mask=batch.mask, watch=watch)
    return [([tree.hypothesis(place) for place in tree.best(config.n_best)], tree.nodes) for tree in trees]

"""What attention looked at, as JSON: the format that `minisora serve` gives out and other programs can read.

::

    {"format": "minisora-attention", "version": 1,
     "source": {"text": "...", "tokens": [S labels]},
     "target": {"text": "...", "read": [T labels], "written": [T labels]},
     "encoder": [a layer: [a head: [S rows of S weights]]],
     "decoder": [a layer: [a head: [T rows of T weights]]],
     "cross":   [a layer: [a head: [T rows of S weights]]]}

At step t the decoder reads ``read[t]``, which is ``<s>`` at first and then what it has written, and writes
``written[t]``, which is ``</s>`` at last unless the answer was cut: row t of ``decoder`` and of ``cross`` is where it
looked meanwhile. The weights of a row sum to 1, up to rounding to `DIGITS`; those of later tokens are 0.
"""

import json

import numpy as np

FORMAT, VERSION = "minisora-attention", 1
DIGITS = 4


def attention_json(source_tokenizer, target_tokenizer, source, hypothesis):
    """Yield the JSON of one answer in parts, one for each layer: it can have millions of numbers.

    Parameters
    ----------
    source_tokenizer, target_tokenizer : SoraTokenizer
    source : str
        What was answered.
    hypothesis : Hypothesis
        The answer, with its attention: ``generate(..., return_attention=True)[0].hypotheses[0]``.
    """
    maps = hypothesis.attention
    tokens = labels_of(target_tokenizer, hypothesis.text, hypothesis.ids)
    steps = maps.decoder[0].shape[-1]
    begin, end = (target_tokenizer.tokens[i] for i in (target_tokenizer.bos_id, target_tokenizer.eos_id))
    head = {
        "format": FORMAT,
        "version": VERSION,
        "source": {"text": source, "tokens": source_tokenizer.labels(source)},
        "target": {"text": hypothesis.text, "read": [begin, *tokens][:steps], "written": [*tokens, end][:steps]},
    }
    yield json.dumps(head, ensure_ascii=False)[:-1]
    for name, layers in maps._asdict().items():
        yield f', "{name}": '
        yield from _lists(layers)
    yield "}\n"


def _lists(layers):
    """Yield the parts of a list of lists of matrices, one for each layer."""
    for i, heads in enumerate(layers):
        rounded = (np.round(weights.astype(np.float64), DIGITS).tolist() for weights in heads)
        yield ("[" if i == 0 else ", ") + f"[{', '.join(map(json.dumps, rounded))}]"
    yield "]"


def labels_of(tokenizer, text, ids):
    """What to write under the tokens of an answer, which need not be those that the tokenizer makes of its text."""
    if tokenizer.encode(text) == list(ids):
        return tokenizer.labels(text)
    tokens = tokenizer.tokens
    return [tokens[i] for i in ids]


def count_weights(config, source_length, target_length):
    """How many numbers there are for a source of S and an answer of T tokens.

    Parameters
    ----------
    config : SoraConfig
    source_length, target_length : int
    """
    encoder = config.num_encoder_layers * source_length**2
    decoder = config.num_decoder_layers * target_length * (target_length + source_length)
    return config.num_heads * (encoder + decoder)

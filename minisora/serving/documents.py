"""What can be had of an answer besides its text, as JSON: what attention looked at, and the content of the explorer."""

import json

from minisora.generation import generate
from minisora.generation.attention_json import attention_json
from minisora.plotting.explorer.content import explore

GRADIENTS = 1_000_000  # numbers in one content, at most: everybody waits while it is computed


def attention(pretrained, source):
    """Yield the parts of the JSON of `minisora.generation.attention_json`."""
    (generated,) = generate(*pretrained, [source], return_attention=True)
    yield from attention_json(*pretrained[1:], source, generated.hypotheses[0])


def explorer(pretrained, source):
    """Yield the JSON of `minisora.plotting.explorer.content`."""
    model, source_tokenizer, target_tokenizer = pretrained
    content = explore(model, source_tokenizer, source, target_tokenizer=target_tokenizer, most=GRADIENTS)
    yield json.dumps(content, ensure_ascii=False, allow_nan=False)


DOCUMENTS = {"attention": attention, "explorer": explorer}

"""What is asked, out of the bytes of a request: checked, and put together as the model reads it."""

import json

from minisora.corpus import build_source
from minisora.serving.refusal import Refusal
from minisora.text.checks import has_surrogate

MOST_FACTS, MOST_TURNS = 64, 32


def read_question(body):
    """The source that a model reads.

    Parameters
    ----------
    body : bytes
        ``{"context": {"key": "value"}, "turns": ["question", ...]}`` as JSON, the last question to be answered;
        ``context`` may be absent.

    Raises
    ------
    Refusal
        For anything else, and for a question of white space.
    """
    try:
        content = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Refusal("malformed") from None
    if not isinstance(content, dict) or set(content) - {"context"} != {"turns"}:
        raise Refusal("malformed")
    context, turns = content.get("context", {}), content["turns"]
    if not (is_context(context) and is_turns(turns)):
        raise Refusal("malformed")
    if not all(turn.strip() for turn in turns) or not turns:
        raise Refusal("empty")
    return build_source(context, *turns)


def is_context(context):
    """Whether it is a dict of texts with a moderate number of facts, none without a name."""
    if not isinstance(context, dict) or len(context) > MOST_FACTS:
        return False
    return all(is_text(key) and key.strip() and is_text(value) for key, value in context.items())


def is_turns(turns):
    """Whether it is a list of texts, not too many."""
    return isinstance(turns, list) and len(turns) <= MOST_TURNS and all(map(is_text, turns))


def is_text(value):
    """Whether it is a string of characters: JSON can also write half of a UTF-16 pair, which is none."""
    return isinstance(value, str) and not has_surrogate(value)

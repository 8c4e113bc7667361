"""What texts and vocabularies must be; every mistake is a ValueError of one sentence."""

import reprlib
from collections import Counter


def check_text(text):
    """Raise ValueError unless text is a string of Unicode scalar values."""
    if not isinstance(text, str):
        raise ValueError(f"text must be a string, got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"U+{ord(text[error.start]):04X} at {error.start}"
        raise ValueError(f"text must be Unicode characters, got the lone surrogate {found}") from None


def check_distinct(tokens):
    """Raise ValueError unless tokens is a sequence of strings of which none occurs twice."""
    if isinstance(tokens, str) or not all(isinstance(token, str) for token in tokens):
        raise ValueError("the tokens of a vocabulary must be a sequence of strings")
    repeated = [token for token, count in Counter(tokens).items() if count > 1]
    if repeated:
        raise ValueError(f"each token of a vocabulary must occur once, {reprlib.repr(repeated[0])} occurs more often")


def check_list(name, value):
    """Raise ValueError unless a field of a tokenizer file is a list."""
    if not isinstance(value, list):
        what = "strings" if name == "tokens" else "numbers" if name == "scores" else "pairs of ids"
        raise ValueError(f"{name} must be a list of {what}, got {type(value).__name__}")


def has_surrogate(token):
    """Whether a string holds half of a UTF-16 pair, which is no character."""
    return any("\ud800" <= character <= "\udfff" for character in token)


def room_for(vocab_size, fixed, what):
    """How many tokens may be learnt beside the fixed ones; None where no limit is given."""
    if vocab_size is None:
        return None
    if isinstance(vocab_size, bool) or not isinstance(vocab_size, int) or vocab_size < fixed:
        raise ValueError(f"vocab_size must be an integer of at least {fixed}, for {what}, got {vocab_size!r}")
    return vocab_size - fixed

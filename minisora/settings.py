"""Checks of what a config holds: one sentence with what was expected and what came."""


def check_setting(config, name, good, expected):
    """Raise ValueError unless ``good`` holds for the value of this name."""
    value = getattr(config, name)
    if not good(value):
        raise ValueError(f"expected {name} to be {expected}, got {value!r}")


def is_integer(value):
    """Whether value is an int, and no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value):
    """Whether value is a finite number, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")

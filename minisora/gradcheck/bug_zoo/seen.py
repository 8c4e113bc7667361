"""Where a mistake was seen in the wild."""


def seen(where):
    """Mark the function that plants a mistake with where others shipped it: ``owner/project#thread: what``."""

    def mark(plant):
        plant.seen = where
        return plant

    return mark

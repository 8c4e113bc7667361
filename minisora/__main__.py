"""``python -m minisora`` is the command ``minisora``."""

from minisora.cli import main

main()

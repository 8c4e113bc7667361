"""Figures with matplotlib. Every function returns its figure and leaves matplotlib's settings as they are."""

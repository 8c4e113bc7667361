"""The heart: the layers, written by hand, one concept a file, each backward directly under its forward."""

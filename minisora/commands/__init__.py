"""The commands of ``minisora``, one a file. Each file defines ``command`` and imports what is heavy inside it."""

"""Benchmarks: ``minisora bench NAME``, one file each; ``results/`` holds the runs of record.

A file here that defines a click command named ``command`` is a benchmark, under the file's name with dashes. The others
are what benchmarks share: `record` (machine, versions, JSON and tables) and `workers` (opponents that take turns).
"""

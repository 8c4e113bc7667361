"""What every benchmark reports: machine, versions, rows; as a table or as JSON."""

import os
import platform
from pathlib import Path

import click

from minisora.commands.output import json_option, print_json, to_json
from minisora.files import replace_file
from minisora.info import blas, version_of
from minisora.kernels.threads import usable_cores


def record_options(function):
    """Give a command the options of all benchmarks: ``as_json``, ``out`` and ``smoke``."""
    path = click.Path(dir_okay=False, path_type=Path)
    smoke = click.option("--smoke", is_flag=True, help="A tiny run that only shows that everything works.")
    out = click.option("--out", type=path, callback=_in_a_folder, metavar="FILE", help="Write the JSON to a file too.")
    return json_option(out(smoke(function)))


def _in_a_folder(ctx, param, path):
    """Refuse a file that could not be written before the run, not after it."""
    if path is not None and not path.parent.is_dir():
        raise click.BadParameter(f"expected a file in an existing folder, {path.parent} is none")
    return path


def make_record(here, rows, *libraries, **more):
    """Return the JSON object of a run: what `machine` said, versions (``libraries``' too), ``more``, and the rows."""
    versions = {"minisora": version_of("minisora"), "python": platform.python_version()}
    versions |= {name: version_of(name) for name in ("numpy", *libraries)}
    return {"machine": here, "versions": versions, **more, "rows": rows}


def machine():
    """Return what a time depends on: processor, cores, memory, system, BLAS, and the load just now."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gib": _memory_gib(),
        "platform": platform.platform(),
        "blas": blas(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def publish(record, table, as_json, out):
    """Write the record to ``out`` where given, at once; print the JSON object alone, or the table."""
    if out is not None:
        write_json(out, record)
    if as_json:
        print_json(record)
    else:
        click.echo(table)


def write_json(path, content):
    """Write plain values to a file, whole."""
    replace_file(path, f"{to_json(content)}\n".encode())


def lay_out(rows):
    """Align rows of strings: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _processor():
    """The processor's name, as Linux tells it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory_gib():
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)

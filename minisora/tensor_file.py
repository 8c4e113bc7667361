"""Named arrays in one safetensors file: written by the safetensors library, read by a reader that checks first.

The format: eight bytes with the header's length, the header (JSON: name to dtype, shape and byte range), then the
arrays' bytes end to end.
"""

import math
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from minisora.plain_file import CheckpointError, open_plain, unreadable
from minisora.strict_json import strict_json

MAX_FILE = 1 << 32
MAX_HEADER = 1 << 24  # of which a tokenizer of 100,000 tokens takes 2 MB
MAX_NAME = 256  # characters
CHUNK = 1 << 16  # values that are checked and handed on together
DTYPES = {"F16": np.float16, "F32": np.float32, "F64": np.float64}


class Entry(NamedTuple):
    """Where one array lies in a file."""

    dtype: np.dtype
    shape: tuple
    start: int  # first byte, counted from the end of the header
    stop: int


class Header(NamedTuple):
    """What a file says of itself, checked."""

    entries: dict  # name to Entry, in the order of the bytes
    description: str | None  # what the writer added; see tensors_to_bytes
    size: int  # bytes before the first array


def tensors_to_bytes(tensors, description=None):
    """A safetensors file as bytes.

    Parameters
    ----------
    tensors : dict of str to numpy.ndarray
        Of any memory order: the library writes an array's raw buffer and calls it C order, so another order is copied
        first.
    description : str, optional
        Kept as metadata under the one key "minisora" (the library writes several keys in an order that changes from run
        to run).
    """
    import safetensors.numpy

    ordered = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    return safetensors.numpy.save(ordered, metadata=None if description is None else {"minisora": description})


class TensorFile(NamedTuple):
    """An open file whose header has been checked, so that what is read later belongs to it."""

    path: Path
    file: BinaryIO
    header: Header

    def chunks(self):
        """Yield (name, start, values): each array as flat pieces, in the order of the bytes; a value that is not finite
        is a CheckpointError.
        """
        try:
            self.file.seek(self.header.size)
            for name, entry in self.header.entries.items():
                size = math.prod(entry.shape)
                for start in range(0, size, CHUNK):
                    wanted = min(CHUNK, size - start) * entry.dtype.itemsize
                    data = self.file.read(wanted)
                    if len(data) != wanted:
                        raise CheckpointError(f"{self.path} ends in the middle of {name}")
                    values = np.frombuffer(data, entry.dtype)
                    if not np.isfinite(values).all():
                        raise CheckpointError(f"{self.path} has a value in {name} that is not finite")
                    yield name, start, values
        except OSError as error:
            raise unreadable(self.path, error) from None

    def arrays(self):
        """Name to array, all of them."""
        arrays = {name: np.empty(entry.shape, entry.dtype) for name, entry in self.header.entries.items()}
        self.read_into(arrays)
        return arrays

    def read_into(self, arrays):
        """Fill NumPy arrays of the header's names and shapes with the file's values."""
        flat = {name: a.reshape(-1) if a.flags.c_contiguous else a.flat for name, a in arrays.items()}
        for name, start, values in self.chunks():
            with np.errstate(over="ignore"):  # what a smaller type cannot hold is found below
                values = values.astype(arrays[name].dtype, copy=False)
            if not np.isfinite(values).all():
                raise CheckpointError(f"{self.path} has a value in {name} that {values.dtype} cannot hold")
            flat[name][start : start + values.size] = values


@contextmanager
def open_tensors(path):
    """Open a file and check its header; no array is read.

    Raises
    ------
    CheckpointError
        When the file is missing, too large, not in the format, or its byte ranges do not fill it exactly.
    """
    path = Path(path)
    with open_plain(path) as file:
        try:
            header = _read_header(file, path)
        except OSError as error:
            raise unreadable(path, error) from None
        yield TensorFile(path, file, header)


def read_header(path):
    """The checked header of a file; see `open_tensors`."""
    with open_tensors(path) as file:
        return file.header


def read_tensors(path):
    """Name to array, all of them; a value that is not finite is a CheckpointError."""
    with open_tensors(path) as file:
        return file.arrays()


def _read_header(file, path):
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if not 8 < size <= MAX_FILE or not 2 <= length <= min(MAX_HEADER, size - 8):
        raise CheckpointError(f"{path} is not a safetensors file: {size} bytes with a header of {length}")
    fields = _parse(file.read(length), path)
    metadata = fields.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{path} has metadata that are not strings")
    entries = [(name, _entry(name, field, path)) for name, field in fields.items()]
    entries = dict(sorted(entries, key=lambda item: (item[1].start, item[1].stop)))
    _check_ranges(entries, size - 8 - length, path)
    return Header(entries, metadata.get("minisora"), 8 + length)


def _parse(header, path):
    try:
        fields = strict_json(header.decode("utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} has a header that is not valid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise CheckpointError(f"{path} has a header that is not a JSON object")
    return fields


def _entry(name, field, path):
    """One header field as an Entry, or CheckpointError."""
    if not name.isprintable() or len(name) > MAX_NAME:
        raise CheckpointError(f"{path} has an array with a name that is not understood, {name[:80]!r}")
    known = isinstance(field, dict) and field.keys() == {"dtype", "shape", "data_offsets"}
    if not known or not isinstance(field["dtype"], str) or field["dtype"] not in DTYPES:
        raise CheckpointError(
            f"{path} describes {name[:80]!r} in a way that is not understood (floats of 16, 32 or 64 bits are)"
        )
    shape, offsets = field["shape"], field["data_offsets"]
    if not _naturals(shape) or not _naturals(offsets) or len(offsets) != 2 or len(shape) > 8:
        raise CheckpointError(f"{path} gives {name[:80]!r} a shape or a byte range that is not understood")
    dtype = np.dtype(DTYPES[field["dtype"]])
    if offsets[1] - offsets[0] != math.prod(shape) * dtype.itemsize:
        raise CheckpointError(f"{path} gives {name[:80]!r} a byte range that does not fit its shape")
    return Entry(dtype, tuple(shape), *offsets)


def _naturals(values):
    return isinstance(values, list) and all(type(value) is int and 0 <= value <= MAX_FILE for value in values)


def _check_ranges(entries, data_bytes, path):
    """The arrays must lie end to end and fill the file."""
    end = 0
    for name, entry in entries.items():
        if entry.start != end:
            raise CheckpointError(f"{path} leaves a gap or overlaps before {name[:80]!r}")
        end = entry.stop
    if end != data_bytes:
        raise CheckpointError(f"{path} holds {data_bytes} bytes of arrays where its header describes {end}")

"""The log of a training: one JSON object a line."""

import json

from minisora.files import replace_file
from minisora.tensor_file import CheckpointError

LOG = "log.jsonl"


class TrainingLog:
    """Append records to ``folder/log.jsonl``; with no folder they are only kept in ``records``.

    Parameters
    ----------
    folder : path or None
    step : int
        Where the training goes on from. Records of later steps, written before a crash, are dropped: they will be
        written again.
    """

    def __init__(self, folder, step=0):
        self.path = folder / LOG if folder is not None else None
        self.records = []
        if self.path is not None:
            self.records = [record for record in read_log(self.path) if record["step"] <= step]
            replace_file(self.path, "".join(_line(record) for record in self.records).encode())

    def write(self, record):
        """Add one record, a dict with "step"."""
        self.records.append(record)
        if self.path is not None:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(_line(record))


def read_log(path):
    """The records of a log. A last line that a crash cut short is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [_parse(line, f"{path}:{number}") for number, line in enumerate(lines[:-1], 1) if line]


def _parse(line, place):
    """One line as a record, or CheckpointError."""
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        raise CheckpointError(f"{place} is not a record of a training: {line[:40].decode('utf-8', 'replace')!r}")
    return record


def _line(record):
    return json.dumps(record, ensure_ascii=False) + "\n"

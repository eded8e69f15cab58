"""Reads and writes the data report of a results folder, `data.json`."""

import json
from dataclasses import dataclass
from pathlib import Path

from research.common.config import build, resolved
from research.common.errors import InputError
from research.common.files import write_atomically
from research.common.hashing import record_checksum
from research.common.json_io import read_json
from research.tasks.data_checks import TaskDataReport, report_summary, warnings

FILE = "data.json"


@dataclass(frozen=True)
class DataReport:
    """The checks of an experiment's data.

    Attributes:
        backbone: name of the backbone whose tokenizer counts lengths; None without a tokenizer.
        max_tokens: the experiment's limit on tokens per row; None for none.
        tasks: the report of each task.
        bos: whether BOS stands before rows, see `Experiment`.
    """

    backbone: str | None
    max_tokens: int | None
    tasks: tuple[TaskDataReport, ...]
    bos: str = "tokenizer"


def read_data_report(folder: Path) -> DataReport | None:
    """The report of a results folder; None where it has none.

    Raises InputError for a damaged file, and for one that was changed.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    content = read_json(file)
    if not isinstance(content, dict):
        raise InputError(str(file), content, "a data report is a JSON object")
    checksum = content.pop("checksum", None)
    report = build(DataReport, content, str(file))
    if checksum != record_checksum(content):
        allowed = "the content was changed; the next sweep makes the report again if it is deleted"
        raise InputError(f"{file}: checksum", checksum, allowed)
    return report


def write_data_report(folder: Path, report: DataReport) -> None:
    """Writes data.json atomically, with a checksum of its content."""
    content = resolved(report)
    content["checksum"] = record_checksum(content)
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_atomically(folder / FILE, f"{text}\n".encode())


def report_lines(report: DataReport) -> list[str]:
    """A line for each task and one for each warning."""
    lines = []
    for task in report.tasks:
        lines += [report_summary(task), *(f"  warning: {text}" for text in warnings(task))]
    return lines

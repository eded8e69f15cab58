"""Cells of a results folder that lack results, and why: `failures.json`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from research.common.config import build, non_default
from research.common.errors import InputError
from research.common.files import write_atomically
from research.common.json_io import parse_json
from research.experiments.backbone_names import row_name
from research.records.schema import CellKey

FILE = "failures.json"


@dataclass(frozen=True)
class Failure:
    """A cell that lacks results: one of its runs failed twice, or its backbone cannot do it.

    Attributes:
        approach: name of the approach.
        task: name of the task.
        regime: the regime.
        run_id: the run that failed, the first of those that train together; of a refused cell its
            first run.
        reason: why it failed, one sentence without its full stop.
        backbone: the backbone of the cell in an experiment with several; None in one with one.
        refused: whether the cell was not run, since its backbone cannot do it.
    """

    approach: str
    task: str
    regime: str
    run_id: str
    reason: str
    backbone: str | None = None
    refused: bool = False

    @property
    def cell(self) -> CellKey:
        """The cell: approach, task and regime."""
        return self.approach, self.task, self.regime

    @property
    def key(self) -> tuple[str, ...]:
        """The cell and its backbone."""
        return *self.cell, self.backbone or ""

    @property
    def sentence(self) -> str:
        """What happened and why."""
        if self.refused:
            return f"not run: {self.reason}."
        return f"run {self.run_id} failed twice: {self.reason}."

    def __str__(self) -> str:
        row = row_name(self.approach, self.backbone)
        return f"{row}, {self.task}, {self.regime}: {self.sentence}"


def read_failures(folder: Path) -> tuple[Failure, ...]:
    """The failures of a results folder; none where there is no file. Raises InputError."""
    path = folder / FILE
    if not path.is_file():
        return ()
    try:
        content = parse_json(path.read_bytes())
    except ValueError as error:
        raise InputError(str(path), str(error), "a list of failures in JSON is expected") from error
    if not isinstance(content, list):
        raise InputError(str(path), content, "a list of failures is expected")
    return tuple(build(Failure, values, f"{path}[{i}]") for i, values in enumerate(content))


def write_failures(folder: Path, failures: Sequence[Failure]) -> None:
    """Replaces the failures of a results folder; without any there is no file."""
    path = folder / FILE
    if not failures:
        path.unlink(missing_ok=True)
        return
    content = [non_default(failure) for failure in failures]
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())

"""Runs that fail, and errors that end the sweep."""

import errno
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from research.common.errors import StorageError, mistake_of
from research.experiments.plan import CellPlan, Run
from research.records.failures import Failure, read_failures, write_failures
from research.sweeps.run_progress import Stopped

LONGEST = 300  # characters of a reason
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # the disk is full, or may not be written to


class RunFailed(Exception):
    """A run could not be executed; other runs may be.

    Attributes:
        runs: ids of the runs that were executed together.
        reason: one sentence without its full stop.
    """

    def __init__(self, runs: Sequence[str], reason: str):
        super().__init__(f"run {runs[0]} failed: {reason}")
        self.runs, self.reason = tuple(runs), reason


class WorkerLost(Exception):
    """A worker process ended before it replied; the message says how."""


@contextmanager
def failing(runs: Iterable[Run]) -> Iterator[None]:
    """Raises errors of executing runs as RunFailed, except those that end the sweep."""
    try:
        yield
    except (RunFailed, StorageError, Stopped):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK:
            raise StorageError("disk", str(error.filename), str(error.strerror)) from error
        raise RunFailed([run.id for run in runs], reason_of(error)) from error


def reason_of(error: Exception) -> str:
    """The message of an error, in one sentence without its full stop."""
    sentence = error if isinstance(error, WorkerLost) else mistake_of(error)
    text = f"{type(error).__name__}: {error}" if sentence is None else str(sentence)
    text = text.strip().partition("\n")[0]
    return text.rstrip(".") if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def is_ours(failed: RunFailed) -> bool:
    """Whether a run failed by an error of the code, whose traceback tells more."""
    cause = failed.__cause__
    return isinstance(cause, Exception) and not (isinstance(cause, WorkerLost) or mistake_of(cause))


class FailureLog:
    """The failures of a results folder, which the cells of a sweep share."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._failures = {failure.key: failure for failure in read_failures(folder)}
        self._lock = threading.Lock()

    @property
    def all(self) -> list[Failure]:
        """The failures by cell."""
        return [self._failures[key] for key in sorted(self._failures)]

    def of(self, cells: Iterable[CellPlan]) -> list[Failure]:
        """The failures of these cells."""
        keys = {_key(cell) for cell in cells}
        return [failure for failure in self.all if failure.key in keys]

    def add(self, cell: CellPlan, error: RunFailed) -> None:
        """Adds a cell that lacks results."""
        self._add(_failure(cell, error.runs[0], error.reason))

    def refuse(self, cell: CellPlan, reason: str) -> None:
        """Adds a cell that is not run, since its backbone cannot do it."""
        self._add(replace(_failure(cell, cell.search()[0].id, reason), refused=True))

    def remove(self, cell: CellPlan) -> None:
        """Removes a cell that is finished."""
        with self._lock:
            # That of an earlier experiment with one backbone names none.
            keys = (_key(cell), (*_key(cell)[:-1], ""))
            if any([self._failures.pop(key, None) for key in keys]):
                write_failures(self.folder, self.all)

    def _add(self, failure: Failure) -> None:
        with self._lock:
            self._failures[failure.key] = failure
            write_failures(self.folder, self.all)


def _failure(cell: CellPlan, run_id: str, reason: str) -> Failure:
    return Failure(
        approach=cell.approach.name,
        task=cell.task.name,
        regime=str(cell.regime),
        run_id=run_id,
        reason=reason,
        backbone=cell.compared_backbone,
    )


def _key(cell: CellPlan) -> tuple[str, ...]:
    """`Failure.key` of a failure of the cell."""
    return _failure(cell, "", "").key

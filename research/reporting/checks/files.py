"""Checks the files of a results folder other than its runs."""

from pathlib import Path

from research.common.errors import InputError
from research.records.data_report import read_data_report
from research.records.store import RunStore
from research.records.test_access_log import FILE, TestAccessLog


def damaged_files(folder: Path) -> list[str]:
    """A sentence for the data report and the log of test evaluations if they were changed."""
    sentences = []
    for read in (read_data_report, lambda folder: TestAccessLog(folder).all()):
        try:
            read(folder)
        except InputError as error:
            sentences.append(str(error))
    return sentences


def unlogged_tests(folder: Path) -> list[str]:
    """A sentence for each cell with tested runs whose test evaluation is not in the log, as after
    its last lines were removed; none where there is no log at all.
    """
    log = TestAccessLog(folder)
    missing = [] if log.lost else log.missing(RunStore(folder).all())
    cells = dict.fromkeys(", ".join(access.cell) for access in missing)
    return [f"not in {folder / FILE}: the test evaluation of {cell}" for cell in cells]

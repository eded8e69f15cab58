"""Notes on runs with problems: answers that are missing, failures, cells without a score."""

from collections.abc import Callable, Iterable

from research.common.user_regex import SECONDS
from research.records.failures import Failure
from research.records.schema import CellKey
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid

NOT_FINITE = "¶"
TIMEOUTS = (
    f"Outputs without an answer because the search for it took longer than {SECONDS:g} s, over all "
    "seeds: "
)


def problems(grid: Grid) -> list[str]:
    """Sentences on runs that diverged, learned nothing or failed, and on cells without a score."""
    return [
        _counted(grid, "Diverged runs, among all runs of a cell: ", _diverged),
        _counted(grid, "Tested runs no better on dev than without training: ", _not_learned),
        _counted(grid, "Texts truncated to fit the context: ", _truncated),
        _counted(grid, TIMEOUTS, _timeouts),
        _failed(grid),
        _refused(grid),
        _unfinished(grid),
    ]


def not_finite_note(grid: Grid) -> str:
    """Cells with test answers whose scores are not finite, and how many."""
    counts = _without_answer(cell for cell in grid.tested() if cell.broken)
    if not counts:
        return ""
    return (
        f"{NOT_FINITE} Scores that are not finite (NaN or infinite) are no answers and count as "
        "wrong; such a cell is never among the best. Test answers over all seeds: "
        f"{counts}."
    )


def no_answer_note(grid: Grid) -> str:
    """Cells of external models with replies that are no answer, and how many."""
    counts = _without_answer(cell for cell in grid.tested() if not cell.broken)
    if not counts:
        return ""
    return (
        f"{NOT_FINITE} Replies of external models that are no answer count as wrong. Test items "
        f"over all seeds: {counts}."
    )


def _without_answer(cells: Iterable[ResultCell]) -> str:
    """The cells with test items without an answer, and how many of all."""
    return "; ".join(
        f"{where(cell)} {cell.not_finite} of {sum(len(p.gold) for p in cell.predictions)}"
        for cell in cells
        if cell.not_finite
    )


def _counted(grid: Grid, title: str, count: Callable[[ResultCell], str]) -> str:
    counts = [f"{where(cell)} {text}" for cell in grid.ordered() if (text := count(cell))]
    return title + "; ".join(counts) + "." if counts else ""


def _diverged(cell: ResultCell) -> str:
    return f"{cell.diverged} of {cell.ran}" if cell.diverged else ""


def _not_learned(cell: ResultCell) -> str:
    return f"{cell.not_learned} of {len(cell.runs)}" if cell.not_learned else ""


def _truncated(cell: ResultCell) -> str:
    most = max((run.notes.cut for run in cell.runs), default=0)
    return str(most) if most else ""


def _timeouts(cell: ResultCell) -> str:
    count = sum(run.notes.timeouts.get("test", 0) for run in cell.runs)
    return str(count) if count else ""


def _failed(grid: Grid) -> str:
    """Cells of which a run failed, with the run and the reason; they may have no record at all."""
    failed = [_why(*item) for item in grid.failures.items() if not item[1].refused]
    return f"Failed: {' '.join(failed)}" if failed else ""


def _refused(grid: Grid) -> str:
    """Cells that were not run since their backbone cannot do them, with the reason."""
    refused = [_why(*item) for item in grid.failures.items() if item[1].refused]
    return f"Refused: {' '.join(refused)}" if refused else ""


def _why(key: CellKey, failure: Failure) -> str:
    return f"{', '.join(key)}: {failure.sentence}"


def _unfinished(grid: Grid) -> str:
    """Cells without a score for which no failure is recorded.

    A baseline without a run is not meant for the task, such as the majority class of texts.
    """
    keys = [(row, *column) for row in grid.rows for column in grid.columns]
    unfinished = [
        ", ".join(key)
        for key in keys
        if not grid.cell(key[0], key[1:])
        and key not in grid.failures
        and (key in grid.cells or key[0] not in grid.baselines)
    ]
    return f"Unfinished: {'; '.join(unfinished)}." if unfinished else ""


def where(cell: ResultCell) -> str:
    """The names of a cell."""
    return ", ".join(cell.key)

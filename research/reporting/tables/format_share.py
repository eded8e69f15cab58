"""The share of outputs in the task's format, beside the score, and which rows are constrained."""

import statistics

from research.reporting.format import MISSING, RANGE, spread
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid
from research.reporting.table import TableCell

METRIC = "format"
HEAD = ("in format", "% of outputs")


def has_format(grid: Grid) -> bool:
    """Whether a task has a format that is not its headline metric."""
    runs = [run for cell in grid.tested() for run in cell.runs]
    return any(run.metric != METRIC and METRIC in run.metrics["test"] for run in runs)


def format_share(grid: Grid, row: str) -> TableCell:
    """The mean over seeds of a row, and a range where its cells differ."""
    shares = []
    for cell in grid.tested_of(row):
        values = cell.known(lambda run: run.metrics["test"].get(METRIC))
        if values:
            shares.append(100 * statistics.fmean(values))
    if not shares:
        return TableCell(MISSING)
    return TableCell(RANGE.join(dict.fromkeys(f"{share:.1f}" for share in spread(shares))))


def constrained_rows(grid: Grid) -> str:
    """The footnote that names the rows with constrained decoding; empty without any."""
    rows = distinct(
        cell.key[0]
        for cell in grid.tested()
        if any(run.configuration.approach.get("constrained") for run in cell.runs)
    )
    if not rows:
        return ""
    return f"Decoding constrained to the task's format: {', '.join(rows)}."

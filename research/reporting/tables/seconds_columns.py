"""Columns of the table of wall seconds by purpose."""

import statistics
from functools import partial

from research.reporting.format import seconds
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.tables.column import Column
from research.runtime.clock import OTHER, PURPOSES


def seconds_columns(grid: Grid) -> list[Column]:
    """The wall time, and a column for each purpose that took time; none if nothing is recorded."""
    runs = [run for cell in grid.tested() for run in cell.runs]
    spent = {purpose for run in runs for purpose in run.costs.seconds_by_purpose}
    if not spent:
        return []
    words = {**PURPOSES, OTHER: "the rest"}
    purposes = [purpose for purpose in words if purpose in spent]
    legend = "; ".join(f"{purpose}: {words[purpose]}" for purpose in purposes)
    note = (
        "Wall seconds of a run, from training to the evaluation on test: means over the tested "
        f"runs, so that the purposes sum to the whole. {legend[0].upper()}{legend[1:]}. Runs that "
        "train together share them."
    )
    columns = [Column("wall time", "whole", _wall, note)]
    return columns + [Column("wall time", p, partial(_mean, p)) for p in purposes]


def _wall(cell: ResultCell) -> str | None:
    values = cell.known(lambda run: run.costs.wall_seconds)
    return seconds(statistics.fmean(values)) if values else None


def _mean(purpose: str, cell: ResultCell) -> str | None:
    """The mean over the runs with recorded seconds; None where no run spent any."""
    recorded = [run.costs.seconds_by_purpose for run in cell.runs]
    values = [spent.get(purpose, 0.0) for spent in recorded if spent]
    return seconds(statistics.fmean(values)) if any(values) else None

"""Whether what is stored is what the stored predictions give: every run, every cell."""

import statistics
from pathlib import Path
from typing import NamedTuple

from research.common.errors import InputError
from research.records.predictions import Predictions
from research.records.store import TOLERANCE, RunStore
from research.reporting.grid.grid import Grid, ResultCell
from research.stats.groups import group_scores


class Recomputed(NamedTuple):
    """runs, files: how many records and files of predictions were read. damaged: a sentence for
    each run whose record, predictions or metrics are not what they were.
    """

    runs: int
    files: int
    damaged: list[str]


def recompute_runs(folder: Path) -> Recomputed:
    """Reads every run: its digests, and each split's metrics anew from its predictions."""
    store, files, damaged = RunStore(folder), 0, []
    ids = store.ids()
    for id in ids:
        try:
            files += len(store.read(id).predictions)
        except InputError as error:
            damaged.append(str(error))
    return Recomputed(len(ids), files, damaged)


def recompute_cells(grid: Grid) -> list[str]:
    """A sentence for each cell whose scores, or whose scores by label, are not those of its runs.

    The table's scores come from the predictions; here they are compared with what each run noted
    when it was made.
    """
    return [line for cell in grid.tested() for line in (*_scores(cell), *_groups(cell))]


def _scores(cell: ResultCell) -> list[str]:
    lines = []
    for metric in cell.influence:
        stored = (run.metrics["test"].get(metric) for run in cell.runs)
        noted = [value for value in stored if value is not None]
        if len(noted) < len(cell.runs):
            continue
        mean, found = statistics.fmean(noted), cell.score(metric).score
        if not abs(mean - found) <= TOLERANCE:
            lines.append(f"{', '.join(cell.key)}: {metric} is {mean:.6f} by its runs, {found:.6f}")
    return lines


def _groups(cell: ResultCell) -> list[str]:
    lines = []
    for run, answers in zip(cell.runs, cell.predictions, strict=True):
        noted = run.robustness.groups.get("label") if run.robustness else None
        if not noted or not isinstance(answers, Predictions):
            continue
        names = [run.labels[index] for index in answers.gold]
        for label, group in group_scores(answers.predicted == answers.gold, names).items():
            if abs(group.score - noted[label].score) > TOLERANCE:
                where = f"{', '.join(cell.key)}, run {run.run_id}"
                lines.append(f"{where}: label {label} is {noted[label].score}, {group.score}")
    return lines

"""Recomputes every run and cell from the stored predictions."""

import statistics
from pathlib import Path
from typing import NamedTuple

from research.common.errors import InputError
from research.records.predictions.labels import LabelPredictions
from research.records.record_checks import TOLERANCE
from research.records.store import RunStore
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.stats.groups import group_scores


class Recomputed(NamedTuple):
    """The result of reading every run.

    Attributes:
        runs: number of records.
        files: number of files of predictions.
        damaged: a sentence for each run whose record, predictions or metrics were changed.
    """

    runs: int
    files: int
    damaged: list[str]


def recompute_runs(folder: Path) -> Recomputed:
    """Reads every run, verifies its checksums and recomputes the metrics of each split."""
    store, files, damaged = RunStore(folder), 0, []
    ids = store.ids()
    for id in ids:
        try:
            files += len(store.read(id).predictions)
        except InputError as error:
            damaged.append(str(error))
    return Recomputed(len(ids), files, damaged)


def recompute_cells(grid: Grid) -> list[str]:
    """A sentence for each cell whose scores, or scores by label, differ from its records.

    The table's scores come from the predictions; the records hold the scores computed by the run.
    """
    return [line for cell in grid.tested() for line in (*_scores(cell), *_groups(cell))]


def _scores(cell: ResultCell) -> list[str]:
    lines = []
    for metric in cell.influence:
        recorded = cell.known(lambda run, metric=metric: run.metrics["test"].get(metric))
        if len(recorded) < len(cell.runs):
            continue
        stored, score = statistics.fmean(recorded), cell.score(metric).score
        if not abs(stored - score) <= TOLERANCE:
            lines.append(f"{', '.join(cell.key)}: {metric} is {score:.6f}, stored {stored:.6f}")
    return lines


def _groups(cell: ResultCell) -> list[str]:
    lines = []
    for run, answers in zip(cell.runs, cell.predictions, strict=True):
        recorded = run.robustness.groups.get("label") if run.robustness else None
        if not recorded or not isinstance(answers, LabelPredictions):
            continue
        names = [run.labels[index] for index in answers.gold]
        for label, group in group_scores(answers.predicted == answers.gold, names).items():
            if abs(group.score - recorded[label].score) > TOLERANCE:
                where = f"{', '.join(cell.key)}, run {run.run_id}"
                lines.append(f"{where}: label {label} is {recorded[label].score}, {group.score}")
    return lines

"""Results of the search of a cell: expected results of fewer trials and plateaus of rates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from research.reporting.format import is_rate
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.measures import train_dev_difference
from research.stats.search_curves import POINT, Plateau, best_of, noise, plateau


@dataclass(frozen=True)
class Tuning:
    """Results of the search of a cell.

    Attributes:
        curve: expected best dev score of 1, 2, ..., and all trials.
        plateau: plateau of learning rates; None where none were compared.
        runs: number of runs of the search.
        diverged: number of diverged runs; None where nothing trains.
        unlearned: number of runs no better than without training; None where no stage trains.
        gap: score on train minus score on dev, over the tested runs.
    """

    curve: tuple[float, ...]
    plateau: Plateau | None
    runs: int
    diverged: int | None
    unlearned: int | None
    gap: float | None


def tuning(cell: ResultCell, within: float) -> Tuning | None:
    """Results of a finished search; None while it is unfinished or has no dev scores.

    Args:
        cell: the cell.
        within: tolerance below the best dev score, see `tolerance`.
    """
    if not cell.dev:
        return None
    runs = [run for trial in cell.search for run in trial]
    trains = any(run.costs.trained_params for run in runs)
    unlearned = sum(run.notes.not_learned is not None for run in runs)
    rates = _compared(cell)
    scores = [cell.dev[trial] for trial in rates.values()]
    return Tuning(
        curve=tuple(best_of(cell.dev)),
        plateau=plateau(list(rates), scores, within) if rates else None,
        runs=len(runs),
        diverged=sum(run.diverged for run in runs) if trains else None,
        unlearned=unlearned if runs[0].configuration.stages else None,
        gap=train_dev_difference(cell) if cell.runs else None,
    )


def tolerance(cells: Sequence[ResultCell]) -> float:
    """Tolerance below the best dev score within which a learning rate counts as good: one standard
    error of a difference between two rates, at least one point.

    It is pooled over all cells of a task and regime: each has few trials and seeds, and a high
    variance must not widen the plateau of an approach.
    """
    scores = []
    for cell in cells:
        trials = [cell.search[trial] for trial in _compared(cell).values()]
        finished = [trial for trial in trials if not any(run.diverged for run in trial)]
        if finished:
            scores.append(np.array([[run.score("dev") for run in trial] for trial in finished]))
    return max(POINT, noise(scores))


def _compared(cell: ResultCell) -> dict[float, int]:
    """The learning rates of a cell that can be compared, with the index of their trials."""
    if not cell.dev:
        return {}
    return _rates([trial[0].trial for trial in cell.search], int(np.argmax(cell.dev)))


def _rates(trials: Sequence[Mapping[str, Any]], best: int) -> dict[float, int]:
    """The learning rates tried with all other values as in the best trial, with the index of their
    trials; {} unless exactly one learning rate varies.
    """
    names = {name for trial in trials for name in trial if is_rate(name)}
    varied = [name for name in names if len({trial.get(name) for trial in trials}) > 1]
    if len(varied) != 1:
        return {}
    [name] = varied

    def rest(trial: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in trial.items() if key != name}

    alike = [i for i, trial in enumerate(trials) if rest(trial) == rest(trials[best])]
    rates = {trials[i][name]: i for i in alike if trials[i].get(name)}
    return rates if len(rates) > 1 else {}

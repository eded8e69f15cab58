"""Variance table: variance of a score due to sample, order and initialisation.

It uses the crossed runs of a cell and its ordinary runs with the same seeds.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from research.experiments.seeds import Seeds, latin_square
from research.records.schema import RunRecord
from research.records.trial_selection import same_trial
from research.reporting.format import MISSING
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.table import Table, TableCell
from research.stats.variance_components import REST, SOURCES, Component, components


def variance_tables(grid: Grid) -> list[Table]:
    """One table with a row for each tested cell that has a complete square of runs, if any."""
    crossed = [cell for cell in grid.tested() if grid.crossed.get(cell.key)]
    scores_of = {
        ", ".join(cell.key): crossed_scores(cell, grid.crossed[cell.key]) for cell in crossed
    }
    if not any(scores_of.values()):
        return []
    components_of = {name: _components(scores) for name, scores in scores_of.items() if scores}
    incomplete = [name for name in scores_of if name not in components_of]
    table = Table(
        title=f"{grid.name}: variance by source",
        heads=(
            ("", "runs"),
            *(("SD by", name) for name in (*SOURCES, REST)),
            ("SD", "of all"),
            *(("share of", name) for name in (*SOURCES, REST)),
        ),
        scores=6,  # shares are a block
        rows=tuple(
            (name, _entries(len(scores_of[name]), parts)) for name, parts in components_of.items()
        ),
        baselines=(),
        notes=(*_notes(list(components_of.values())), *_unfinished(incomplete)),
    )
    return [table]


def crossed_scores(cell: ResultCell, crossed: Sequence[RunRecord]) -> dict[Seeds, float]:
    """The test score of each run of the largest complete square; empty where there is none."""
    trial = cell.runs[0].trial
    runs = {run.seeds: run for run in cell.runs}
    runs |= {run.seeds: run for run in crossed if same_trial(run, trial)}
    scores = {s: score for s, run in runs.items() if (score := run.score("test")) is not None}
    squares = [latin_square(side) for side in range(3, len(cell.runs) + 1, 2)]
    complete = [square for square in squares if scores.keys() >= set(square)]
    return {seeds: scores[seeds] for seeds in complete[-1]} if complete else {}


def _components(scores: Mapping[Seeds, float]) -> dict[str, Component]:
    """The variance components of the scores of a complete square."""
    levels = [[getattr(seeds, source) for source in SOURCES] for seeds in scores]
    return components(np.array(levels), np.array(list(scores.values())))


def _entries(runs: int, parts: dict[str, Component]) -> tuple[TableCell, ...]:
    variances = [part.variance for part in parts.values()]
    deviations = [f"{100 * variance**0.5:.1f}" for variance in (*variances, sum(variances))]
    return tuple(map(TableCell, (str(runs), *deviations, *map(_share, parts.values()))))


def _share(part: Component) -> str:
    """`62 % [10, 95]`; a dash where all runs have the same score."""
    if part.share != part.share:
        return MISSING
    mark = " *" if part.negative else ""
    return f"{100 * part.share:.0f} % [{100 * part.low:.0f}, {100 * part.high:.0f}]{mark}"


def _notes(parts: Sequence[dict[str, Component]]) -> list[str]:
    notes = [
        "SD: standard deviation of a run's score on these test items due to one source, in points. "
        "Sample: the train and dev examples. Order: order of batches, dropout, and demonstrations. "
        "Initialisation: of the parameters that a method adds. Interaction: variance explained "
        "only by combinations of sources.",
        "Share: share of the total variance, with its 95 % interval (generalised confidence "
        "intervals from the mean squares of a Latin square of seeds). An interval that starts at 0 "
        "means that the source is not significant; with 9 runs few sources are, with 25 the larger "
        "ones. A source without effect in a row, such as the initialisation where nothing is "
        "added, is estimated too; its share is chance.",
    ]
    if any(part.negative for of_cell in parts for part in of_cell.values()):
        notes.append("*: the estimate is negative and set to 0.")
    return notes


def _unfinished(names: Sequence[str]) -> list[str]:
    return [f"Missing runs: {'; '.join(names)}."] if names else []

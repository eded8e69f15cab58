"""How training went, on dev: learning curves, learning rates, and the prompts that were tried."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

from research.records.schema import RunRecord
from research.records.trial_selection import choose, same_trial
from research.reporting.figures.axes import linear, logarithmic
from research.reporting.figures.colors import SeriesStyle, by_family
from research.reporting.figures.figure import (
    Axis,
    Figure,
    Panel,
    Point,
    Series,
    columns,
    headline,
    ids,
    scores,
    title,
)
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid

RATE = "learning_rate"
CROWD = 10  # so many lines in one panel can be followed; more are parted by family


def training_figures(grid: Grid, looks: Mapping[str, SeriesStyle]) -> list[Figure]:
    """Learning curves, learning rates, and prompts, as far as there are any."""
    figures = (
        Figure(
            "learning",
            "Learning curves",
            "Mean dev scores of the tested runs, bands from the least to the greatest of the "
            "seeds. A run that stopped early keeps its last score; stages follow one another, and "
            "those on another task are left out.",
            _panels(grid, looks, "steps", _curve, linear, bands=True),
        ),
        Figure(
            "rates",
            "How much the learning rate matters",
            "Mean dev score of each learning rate that was tried over the search seeds, bars from "
            "the least to the greatest of them. The filled point is the rate that was chosen.",
            _panels(grid, looks, "learning rate", _rates, _logarithmic),
        ),
        Figure(
            "prompts",
            "How much the prompt matters",
            "Dev score of every prompt that was tried (template, demonstrations and their order), "
            "from the worst to the best; means over the search seeds, bars from the least to the "
            "greatest of them. The filled point is the prompt that was chosen.",
            _panels(grid, looks, "prompts, from the worst to the best, %", _prompts, linear),
        ),
    )
    return [figure for figure in figures if figure.panels]


def _panels(
    grid: Grid,
    looks: Mapping[str, SeriesStyle],
    label: str,
    points: Callable[[ResultCell], list[Point]],
    scale: Callable,
    bands: bool = False,
) -> tuple[Panel, ...]:
    """A panel for each task and regime, or one for each family where lines are many."""
    found = {
        column: [
            Series(looks[cell.key[0]], tuple(some), joined=True)
            for cell in cells
            if len(some := points(cell)) > 1
        ]
        for column, cells in columns(grid)
    }
    every = [one for series in found.values() for one in series]
    x = Axis(label, scale(point.x for one in every for point in one.points))
    crowded = max(map(len, found.values()), default=0) > CROWD
    panels = []
    for part, members in _parts(looks, crowded):
        for column, series in found.items():
            task = [one for c, some in found.items() if c[0] == column[0] for one in some]
            kept = [one for one in series if one.style.number in members]
            if kept:
                y = scores(f"{headline(grid, column[0])} on dev, %", task)
                panels.append(Panel(title(column) + part, x, y, tuple(kept), bands=bands))
    return tuple(panels)


def _parts(looks: Mapping[str, SeriesStyle], crowded: bool) -> list[tuple[str, set[int]]]:
    """What is added to a panel's title, and the numbers of the approaches that it shows."""
    if not crowded:
        return [("", {look.number for look in looks.values()})]
    return [
        (f": {family.title}", {look.number for look in members})
        for family, members in by_family(looks)
    ]


def _logarithmic(values: Iterable[float]):
    return logarithmic(values, text="{:g}".format)


def _curve(cell: ResultCell) -> list[Point]:
    """The mean dev score at each step at which one of the seeds was evaluated."""
    curves = [curve for run in cell.runs if (curve := dev_curve(run))]
    points = []
    for step in sorted({step for curve in curves for step, _ in curve}):
        reached = [[score for at, score in curve if at <= step] for curve in curves]
        if all(reached):
            says = f"step {step} of {_trial(cell.runs[0].trial)}"
            points.append(_spread(step, [scores[-1] for scores in reached], says, cell.runs))
    return points


def dev_curve(run: RunRecord) -> list[tuple[int, float]]:
    """(step, dev score) at the evaluations of a run, its stages one after the other.

    Those of stages on another task, and scores that are not finite, are left out.
    """
    history, stages = run.history, run.configuration.stages
    begins = accumulate((stage[-1][0] if stage else 0 for stage in history), initial=0)
    return [
        (begin + step, score)
        for begin, stage, settings in zip(begins, history, stages, strict=False)
        if settings.task is None
        for step, _, score, _ in stage
        if score is not None
    ]


def _rates(cell: ResultCell) -> list[Point]:
    """The trials that differ in their learning rate."""
    found = []
    for trial, runs, chosen in _trials(cell):
        rates = [value for name, value in trial.items() if name.split(".")[-1] == RATE]
        if len(rates) == 1 and rates[0] > 0:
            found.append(_tried(rates[0], trial, runs, chosen))
    return sorted(found, key=lambda point: point.x)


def _prompts(cell: ResultCell) -> list[Point]:
    """The trials of an approach that trains nothing, evenly from the worst to the best."""
    trials = _trials(cell) if cell.prompt_only else []
    ranked = sorted(trials, key=lambda one: statistics.fmean(_dev_scores(one[1])))
    last = max(len(ranked) - 1, 1)
    return [_tried(100 * place / last, *one) for place, one in enumerate(ranked)]


def _trials(cell: ResultCell) -> list[tuple[Mapping, Sequence[RunRecord], bool]]:
    """Each trial of the search that has dev scores, its runs, and whether it was chosen."""
    if len(cell.search) < 2:
        return []
    chosen = choose(run for trial in cell.search for run in trial)
    return [
        (runs[0].trial, runs, same_trial(runs[0], chosen))
        for runs in cell.search
        if _dev_scores(runs)
    ]


def _dev_scores(runs: Iterable[RunRecord]) -> list[float]:
    """Those that there are; a diverged run has none."""
    return [score for run in runs if (score := run.score("dev")) is not None]


def _tried(x: float, trial: Mapping, runs: Sequence[RunRecord], chosen: bool) -> Point:
    says = f"{_trial(trial)}{', chosen' if chosen else ''}"
    return _spread(x, _dev_scores(runs), says, runs, hollow=not chosen)


def _spread(
    x: float, found: Sequence[float], says: str, runs: Iterable[RunRecord], hollow: bool = False
) -> Point:
    """The mean of scores, from the least to the greatest."""
    mean, low, high = (100 * value for value in (statistics.fmean(found), min(found), max(found)))
    says = f"{mean:.1f} ({low:.1f} to {high:.1f}) on dev, {says}"
    return Point(x, mean, low, high, says, ids(runs), hollow)


def _trial(trial: Mapping) -> str:
    """`learning rate 0.001, template 2`."""
    texts = [f"{name.replace('_', ' ')} {value}" for name, value in trial.items()]
    return ", ".join(texts) or "the only trial"

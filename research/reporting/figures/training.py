"""Figures of training and search, scored on dev: learning curves, learning rates and prompts."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain

from research.records.schema import RunRecord
from research.records.trial_selection import choose, same_trial
from research.reporting.figures.axes import linear, logarithmic
from research.reporting.figures.colors import Styles, by_family
from research.reporting.figures.figure import (
    Axis,
    Figure,
    Panel,
    Point,
    Series,
    headline,
    ids,
    scores,
    title,
)
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid

RATE = "learning_rate"
LOGARITHMIC = partial(logarithmic, text="{:g}".format)
MOST_LINES = 10  # in one panel; more are split into a panel for each family


def training_figures(grid: Grid, styles: Styles) -> list[Figure]:
    """Learning curves, learning rates and prompts, where there are several of them."""
    figures = (
        Figure(
            "learning",
            "Learning curves",
            "Mean dev scores of the tested runs; bands from the lowest to the highest seed. A run "
            "that stopped early keeps its last score. Stages follow one another; stages on another "
            "task are left out.",
            _panels(grid, styles, "steps", _curve, linear, bands=True),
        ),
        Figure(
            "rates",
            "Sensitivity to the learning rate",
            "Mean dev score of each learning rate tried, over the search seeds; bars from the "
            "lowest to the highest seed. Filled: the chosen learning rate.",
            _panels(grid, styles, "learning rate", _rates, LOGARITHMIC),
        ),
        Figure(
            "prompts",
            "Sensitivity to the prompt",
            "Mean dev score of each prompt tried (template, demonstrations and their order), from "
            "the worst to the best, over the search seeds; bars from the lowest to the highest "
            "seed. Filled: the chosen prompt.",
            _panels(grid, styles, "prompts, from the worst to the best, %", _prompts, linear),
        ),
    )
    return [figure for figure in figures if figure.panels]


def _panels(
    grid: Grid,
    styles: Styles,
    label: str,
    points_of: Callable[[ResultCell], list[Point]],
    scale: Callable,
    bands: bool = False,
) -> tuple[Panel, ...]:
    """A panel for each task and regime, or one for each of their families if lines are many."""
    series_of = {
        column: [
            Series(styles[cell.key[0]], tuple(points), joined=True)
            for cell in cells
            if len(points := points_of(cell)) > 1
        ]
        for column, cells in grid.by_column().items()
    }
    lines = [line for series in series_of.values() for line in series]
    x = Axis(label, scale(point.x for line in lines for point in line.points))
    split = max(map(len, series_of.values()), default=0) > MOST_LINES
    panels = []
    for suffix, numbers in _parts(styles, split):
        for column, series in series_of.items():
            of_part = [line for line in series if line.style.number in numbers]
            if of_part:
                of_task = [lines for (task, _), lines in series_of.items() if task == column[0]]
                y = scores(f"{headline(grid, column[0])} on dev, %", [*chain(*of_task)])
                panels.append(Panel(title(column) + suffix, x, y, tuple(of_part), bands=bands))
    return tuple(panels)


def _parts(styles: Styles, split: bool) -> list[tuple[str, set[int]]]:
    """For each panel of a column: a suffix of its title, and the numbers of its approaches."""
    if not split:
        return [("", {style.number for style in styles.values()})]
    return [
        (f": {family.title}", {style.number for style in members})
        for family, members in by_family(styles)
    ]


def _curve(cell: ResultCell) -> list[Point]:
    """The mean dev score at each step at which one of the seeds was evaluated."""
    curves = [curve for run in cell.runs if (curve := dev_curve(run))]
    points = []
    for step in sorted({step for curve in curves for step, _ in curve}):
        reached = [[score for at, score in curve if at <= step] for curve in curves]
        if all(reached):
            text = f"step {step} of {_trial_text(cell.runs[0].trial)}"
            points.append(_spread(step, [scores[-1] for scores in reached], text, cell.runs))
    return points


def dev_curve(run: RunRecord) -> list[tuple[int, float]]:
    """(step, dev score) at the evaluations of a run, its stages one after the other.

    Evaluations of stages on another task, and scores that are not finite, are left out.
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


@dataclass(frozen=True)
class _Trial:
    """A trial of the search.

    Attributes:
        values: the trial's values, by name.
        runs: its runs.
        scores: their dev scores; a diverged run has none.
        chosen: whether dev chose it.
    """

    values: Mapping
    runs: Sequence[RunRecord]
    scores: Sequence[float]
    chosen: bool

    def point(self, x: float) -> Point:
        text = f"{_trial_text(self.values)}{', chosen' if self.chosen else ''}"
        return _spread(x, self.scores, text, self.runs, hollow=not self.chosen)


def _rates(cell: ResultCell) -> list[Point]:
    """The trials that have one learning rate."""
    points = []
    for trial in _trials(cell):
        rates = [value for name, value in trial.values.items() if name.split(".")[-1] == RATE]
        if len(rates) == 1 and rates[0] > 0:
            points.append(trial.point(rates[0]))
    return sorted(points, key=lambda point: point.x)


def _prompts(cell: ResultCell) -> list[Point]:
    """The trials of an approach without training, evenly spaced from the worst to the best."""
    trials = _trials(cell) if cell.prompt_only else []
    ranked = sorted(trials, key=lambda trial: statistics.fmean(trial.scores))
    last = max(len(ranked) - 1, 1)
    return [trial.point(100 * rank / last) for rank, trial in enumerate(ranked)]


def _trials(cell: ResultCell) -> list[_Trial]:
    """The trials of the search that have dev scores; none where there is only one trial."""
    if len(cell.search) < 2:
        return []
    chosen = choose(run for trial in cell.search for run in trial)
    trials = [
        _Trial(
            runs[0].trial,
            runs,
            [score for run in runs if (score := run.score("dev")) is not None],
            same_trial(runs[0], chosen),
        )
        for runs in cell.search
    ]
    return [trial for trial in trials if trial.scores]


def _spread(
    x: float, dev: Sequence[float], text: str, runs: Iterable[RunRecord], hollow: bool = False
) -> Point:
    """A point at the mean of dev scores, with an interval from the lowest to the highest."""
    mean, low, high = (100 * value for value in (statistics.fmean(dev), min(dev), max(dev)))
    text = f"{mean:.1f} ({low:.1f} to {high:.1f}) on dev, {text}"
    return Point(x, mean, low, high, text, ids(runs), hollow)


def _trial_text(trial: Mapping) -> str:
    """`learning rate 0.001, template 2`."""
    texts = [f"{name.replace('_', ' ')} {value}" for name, value in trial.items()]
    return ", ".join(texts) or "the only trial"

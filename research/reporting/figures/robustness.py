"""Figures of robustness: the score out of domain, and forgetting of the backbone's language."""

import statistics
from collections.abc import Callable

from research.reporting.figures.axes import linear
from research.reporting.figures.colors import Styles
from research.reporting.figures.figure import (
    Axis,
    Figure,
    Panel,
    Point,
    Series,
    headline,
    ids,
    title,
)
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid

SEEDS = "Means over the seeds; bars from the lowest to the highest seed."


def robustness_figures(grid: Grid, styles: Styles) -> list[Figure]:
    """Scores out of domain and forgetting, where they were measured."""
    figures = (
        Figure(
            "domain",
            "Out of domain",
            f"Score on the test split of another domain against the test score. {SEEDS} On the "
            "dotted line both are equal.",
            _panels(grid, styles, "out of domain, %", out_of_domain_point, diagonal=True),
        ),
        Figure(
            "forgetting",
            "Forgetting",
            "Increase, in nats per token, of the loss on held-out text like the backbone's "
            f"pretraining data, with the adapter active, against the test score. {SEEDS} Hollow: "
            "removing the adapter restores the backbone.",
            _panels(grid, styles, "increase of the held-out loss, nats", forgetting_point),
        ),
    )
    return [figure for figure in figures if figure.panels]


def _panels(
    grid: Grid,
    styles: Styles,
    label: str,
    point_of: Callable[[ResultCell], Point | None],
    diagonal: bool = False,
) -> tuple[Panel, ...]:
    """A panel for each task and regime; the panels of a task have the same axes."""
    series_of = {
        column: [
            Series(styles[cell.key[0]], (point,)) for cell in cells if (point := point_of(cell))
        ]
        for column, cells in grid.by_column().items()
    }
    panels = []
    for column, series in series_of.items():
        of_task = [lines for (task, _), lines in series_of.items() if task == column[0]]
        points = [line.points[0] for lines in of_task for line in lines]
        if series:
            x = Axis(f"{headline(grid, column[0])} on test, %", linear(p.x for p in points))
            y = Axis(label, linear(value for p in points for value in (p.low, p.high)))
            panels.append(Panel(title(column), x, y, tuple(series), diagonal=diagonal))
    return tuple(panels)


def out_of_domain_point(cell: ResultCell) -> Point | None:
    """The score out of domain against that on test; None where a run has none."""
    scores = [100 * score for score in cell.known(lambda run: run.score("ood"))]
    if not scores or len(scores) < len(cell.runs):
        return None
    test = _mean_test_score(cell)
    mean = statistics.fmean(scores)
    text = f"{mean:.1f} out of domain, {test:.1f} on test"
    return Point(test, mean, min(scores), max(scores), text, ids(cell.runs))


def forgetting_point(cell: ResultCell) -> Point | None:
    """The increase of the held-out loss against the test score; None where a run has none."""
    measured = cell.known(lambda run: run.forgetting)
    rises = [loss.rise for loss in measured if loss.rise is not None]
    if not rises or len(rises) < len(cell.runs):
        return None
    test = _mean_test_score(cell)
    mean, removable = statistics.fmean(rises), all(loss.removable for loss in measured)
    text = f"{mean:+.2f} nats{'' if removable else ' (permanent)'}, {test:.1f} on test"
    return Point(test, mean, min(rises), max(rises), text, ids(cell.runs), hollow=removable)


def _mean_test_score(cell: ResultCell) -> float:
    """The mean test score over the seeds, in percent."""
    return 100 * statistics.fmean(cell.known(lambda run: run.score("test")))

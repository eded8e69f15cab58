"""How approaches hold up: the score out of domain, and what became of the backbone's ability."""

import statistics
from collections.abc import Callable, Mapping

from research.reporting.figures.axes import linear
from research.reporting.figures.colors import SeriesStyle
from research.reporting.figures.figure import (
    Axis,
    Figure,
    Panel,
    Point,
    Series,
    columns,
    headline,
    ids,
    title,
)
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid

SEEDS = "Means over the seeds, bars from the least to the greatest of them."


def robustness_figures(grid: Grid, looks: Mapping[str, SeriesStyle]) -> list[Figure]:
    """Out of domain and forgetting, as far as runs tell of them."""
    figures = (
        Figure(
            "domain",
            "Out of domain",
            f"The score on the test split of another domain against that on test. {SEEDS} On the "
            "thin line nothing is lost.",
            _panels(grid, looks, "out of domain, %", out_of_domain_point, diagonal=True),
        ),
        Figure(
            "forgetting",
            "Forgetting",
            "By how many nats a token the loss on held-out text of the backbone's own kind has "
            f"risen, with all that an approach adds at work, against the score on test. {SEEDS} "
            "Hollow: the backbone is as it was once the adapter is taken away.",
            _panels(grid, looks, "rise of the held-out loss, nats", forgetting_point),
        ),
    )
    return [figure for figure in figures if figure.panels]


def _panels(
    grid: Grid,
    looks: Mapping[str, SeriesStyle],
    label: str,
    point: Callable[[ResultCell], Point | None],
    diagonal: bool = False,
) -> tuple[Panel, ...]:
    """A panel for each task and regime; those of a task have the same axes."""
    found = {
        column: [
            Series(looks[cell.key[0]], (one,)) for cell in cells if (one := point(cell)) is not None
        ]
        for column, cells in columns(grid)
    }
    panels = []
    for column, series in found.items():
        task = [one.points[0] for c, some in found.items() if c[0] == column[0] for one in some]
        if series:
            x = Axis(f"{headline(grid, column[0])} on test, %", linear(one.x for one in task))
            y = Axis(label, linear(value for one in task for value in (one.low, one.high)))
            panels.append(Panel(title(column), x, y, tuple(series), diagonal=diagonal))
    return tuple(panels)


def out_of_domain_point(cell: ResultCell) -> Point | None:
    """The score out of domain at that on test; None where a run has none."""
    known = [100 * score for score in cell.known(lambda run: run.score("ood"))]
    if not known or len(known) < len(cell.runs):
        return None
    inside = _mean_test_score(cell)
    mean = statistics.fmean(known)
    says = f"{mean:.1f} out of domain, {inside:.1f} on test"
    return Point(inside, mean, min(known), max(known), says, ids(cell.runs))


def forgetting_point(cell: ResultCell) -> Point | None:
    """The rise of the held-out loss at the score on test; None where a run does not tell."""
    measured = cell.known(lambda run: run.forgetting)
    rises = [loss.rise for loss in measured if loss.rise is not None]
    if not rises or len(rises) < len(cell.runs):
        return None
    inside = _mean_test_score(cell)
    mean, removable = statistics.fmean(rises), all(loss.removable for loss in measured)
    says = f"{mean:+.2f} nats{'' if removable else ', which stays'}, {inside:.1f} on test"
    return Point(inside, mean, min(rises), max(rises), says, ids(cell.runs), hollow=removable)


def _mean_test_score(cell: ResultCell) -> float:
    """In percent."""
    return 100 * statistics.fmean(cell.known(lambda run: run.score("test")))

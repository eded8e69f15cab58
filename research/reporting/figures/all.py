"""All figures of a grid, for the page and for print."""

from collections.abc import Mapping

from research.reporting.figures.colors import SeriesStyle
from research.reporting.figures.costs import cost_figures
from research.reporting.figures.figure import Figure
from research.reporting.figures.robustness import robustness_figures
from research.reporting.figures.training import training_figures
from research.reporting.grid.grid import Grid

Looks = Mapping[str, SeriesStyle]


def all_figures(grid: Grid, found: Looks) -> list[Figure]:
    """All figures, in the order of the page."""
    parts = (cost_figures, training_figures, robustness_figures)
    return [figure for part in parts for figure in part(grid, found)]

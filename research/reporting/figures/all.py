"""TODO reporting/figures/all.py"""

from collections.abc import Mapping

from research.reporting.figures.colors import Look
from research.reporting.figures.costs import lay_out_costs
from research.reporting.figures.figure import Figure
from research.reporting.figures.robustness import lay_out_holding
from research.reporting.figures.training import lay_out_training
from research.reporting.grid.grid import Grid

Looks = Mapping[str, Look]


def lay_out_figures(grid: Grid, found: Looks) -> list[Figure]:
    """All figures, in the order of the page."""
    parts = (lay_out_costs, lay_out_training, lay_out_holding)
    return [figure for part in parts for figure in part(grid, found)]

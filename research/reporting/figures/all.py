"""The figures of a results folder, for the page and for print."""

from collections.abc import Callable
from dataclasses import dataclass

from research.reporting.figures.colors import Styles
from research.reporting.figures.costs import cost_figures
from research.reporting.figures.figure import Figure
from research.reporting.figures.robustness import robustness_figures
from research.reporting.figures.training import training_figures
from research.reporting.grid.grid import Grid

# Each section of figures: its title, and the function that makes its figures.
SECTIONS: tuple[tuple[str, Callable[[Grid, Styles], list[Figure]]], ...] = (
    ("Scores against costs", cost_figures),
    ("Training", training_figures),
    ("Robustness and forgetting", robustness_figures),
)


@dataclass(frozen=True)
class FigureSection:
    """Figures that stand together.

    Attributes:
        title: heading of the section.
        figures: the figures, at least one.
    """

    title: str
    figures: tuple[Figure, ...]


def figure_sections(grid: Grid, styles: Styles) -> list[FigureSection]:
    """All figures of a grid by section; sections without figures are left out."""
    sections = [FigureSection(title, tuple(make(grid, styles))) for title, make in SECTIONS]
    return [section for section in sections if section.figures]

"""The figures of a results folder, for the page and for print."""

from collections.abc import Callable

from research.reporting.figures.colors import Styles
from research.reporting.figures.costs import cost_figures
from research.reporting.figures.figure import Figure
from research.reporting.figures.robustness import robustness_figures
from research.reporting.figures.training import training_figures
from research.reporting.grid.grid import Grid

# The function that makes the figures of each section, by the section's title.
SECTIONS: dict[str, Callable[[Grid, Styles], list[Figure]]] = {
    "Scores against costs": cost_figures,
    "Training": training_figures,
    "Robustness and forgetting": robustness_figures,
}


def figure_sections(grid: Grid, styles: Styles) -> dict[str, list[Figure]]:
    """All figures of a grid by the title of their section; empty sections are left out."""
    sections = {title: make(grid, styles) for title, make in SECTIONS.items()}
    return {title: figures for title, figures in sections.items() if figures}

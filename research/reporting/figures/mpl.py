"""The figures of a results folder for print: figures/NAME.png and figures/NAME.pdf.

They show the same as the page, drawn by matplotlib. The same runs and the same version of
matplotlib give the same bytes; another version may draw letters differently, so `--check` ignores
them.
"""

import io
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from research.common.files import write_atomically
from research.reporting.figures.all import figure_sections
from research.reporting.figures.colors import SeriesStyle, Styles, by_family, series_styles
from research.reporting.figures.figure import Figure
from research.reporting.figures.geometry import LEFT, MARKER, TEXT, WIDTH, plot_area, text_width
from research.reporting.figures.mpl_panel import INK, POINTS, draw_panel, marker
from research.reporting.grid.grid import read_grid

KEY_LINE = 15.0
RESOLUTION = 220  # dots per inch of PNG
STYLE: dict[Any, Any] = {
    "font.family": ["STIXGeneral", "DejaVu Sans"],  # both come with matplotlib
    "font.size": TEXT * POINTS * 1.12,
    "pdf.fonttype": 42,
    "axes.unicode_minus": False,
    "svg.hashsalt": "adaptlab",
    "text.parse_math": False,  # a $ in a name is a dollar sign
}
# Without the date and the versions that matplotlib would write.
METADATA = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


def write_figures(folder: Path) -> list[Path]:
    """Writes all figures of a results folder, each file atomically; returns the files.

    Raises InputError for damaged runs and for runs that cannot be compared.
    """
    files = build_figures(folder)
    for name, content in files.items():
        write_atomically(folder / name, content)
    return [folder / name for name in files]


def build_figures(folder: Path) -> dict[str, bytes]:
    """The content of each file, by its name within the results folder."""
    grid = read_grid(folder)
    styles = series_styles(grid)
    return {
        f"figures/{figure.name}.{form}": content
        for figures in figure_sections(grid, styles).values()
        for figure in figures
        for form, content in draw_figure(figure, styles).items()
    }


def draw_figure(figure: Figure, styles: Styles) -> dict[str, bytes]:
    """A figure as PNG and PDF, with a key below it if labels are numbers."""
    import matplotlib  # here, since it takes a second to import and few callers need it
    from matplotlib.figure import Figure as Canvas

    key = _key_entries(figure, styles)
    across = figure.across
    key_columns = 1 if any(_name_width(style) > WIDTH for style in key) else across
    plots = [plot_area(panel) for panel in figure.panels]
    rows = [plots[first : first + across] for first in range(0, len(plots), across)]
    heights = [max(plot.panel_height for plot in row) for row in rows]
    key_top = sum(heights)
    width = WIDTH * min(across, len(plots)) + 8  # letters in print are wider
    height = key_top + KEY_LINE * -(-len(key) // key_columns)
    with matplotlib.rc_context(STYLE):
        size = (width * POINTS / 72, height * POINTS / 72)
        canvas = Canvas(figsize=size, dpi=RESOLUTION)
        for index, row in enumerate(rows):
            top = sum(heights[:index])
            for column, plot in enumerate(row):
                left, bottom = WIDTH * column + plot.left, height - top - plot.top - plot.height
                box = (left / width, bottom / height, plot.width / width, plot.height / height)
                draw_panel(canvas.add_axes(box), plot)
        if key:
            axes = canvas.add_axes((0, 0, 1, (height - key_top) / height))
            axes.set(xlim=(0, width), ylim=(height - key_top, 0))
            _draw_key(axes, key, key_columns, width / key_columns)
        return {form: _saved(canvas, form) for form in METADATA}


def _saved(canvas: Any, form: str) -> bytes:
    content = io.BytesIO()
    canvas.savefig(content, format=form, metadata=METADATA[form], facecolor="white")
    return content.getvalue()


def _key_entries(figure: Figure, styles: Styles) -> list[SeriesStyle]:
    """The approaches of the figure by family; none if all are labelled by name."""
    numbers = {series.style.number for panel in figure.panels for series in panel.series}
    ordered = [style for _, members in by_family(styles) for style in members]
    entries = [style for style in ordered if style.number in numbers]
    return [] if all(style.tag == style.name for style in entries) else entries


def _name_width(style: SeriesStyle) -> float:
    """Width of a line of the key."""
    return LEFT + 30 + text_width(style.name)


def _draw_key(axes: Any, key: Sequence[SeriesStyle], columns: int, width: float) -> None:
    """Markers, numbers and names in columns of a width; longer names are cut."""
    axes.axis("off")
    rows = -(-len(key) // columns)
    for index, style in enumerate(key):
        x, y = LEFT + WIDTH * (index // rows), KEY_LINE * (index % rows + 0.3)
        color = style.family.light
        axes.plot([x], [y], marker=marker(style), markersize=2 * MARKER * POINTS, color=color)
        axes.text(x + 24, y, str(style.number), color=color, ha="right", va="center")
        axes.text(x + 30, y, _cut(style.name, width - LEFT - 30), color=INK, va="center")


def _cut(name: str, width: float) -> str:
    """The name, or as much of it as fits."""
    if text_width(name) <= width:
        return name
    fitting = takewhile(lambda end: text_width(name[:end] + "…") <= width, range(len(name)))
    return name[: max(fitting, default=0)] + "…"

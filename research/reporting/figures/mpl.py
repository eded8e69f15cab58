"""The figures of a results folder for print: figures/NAME.png and figures/NAME.pdf.

They show what the page shows, by matplotlib. The same runs and the same matplotlib give the same
bytes; another version of it may draw a letter otherwise, so `--check` leaves them out.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from research.common.files import write_atomically
from research.reporting.figures.all import all_figures
from research.reporting.figures.colors import MethodFamily, SeriesStyle, by_family, series_styles
from research.reporting.figures.figure import Figure, Panel, Series
from research.reporting.figures.geometry import (
    HEIGHT,
    LEFT,
    LINE,
    MARKER,
    SHAPES,
    TEXT,
    TOP,
    WIDTH,
    PlotArea,
    plot_area,
)
from research.reporting.figures.label_placement import Label, labels
from research.reporting.grid.grid import read_grid

POINT = 0.62  # points of print in a pixel of the page: two panels are as wide as a page's text
ACROSS = 2  # panels
KEY_LINE = 15.0
INK, SOFT, GRID = "#1c1a17", "#5f5a52", "#ece7dc"
STYLE: dict[Any, Any] = {
    "font.family": "STIXGeneral",  # comes with matplotlib
    "font.size": TEXT * POINT * 1.12,
    "pdf.fonttype": 42,
    "axes.unicode_minus": False,
    "svg.hashsalt": "adaptlab",
}
# Without the date and the versions that matplotlib would write.
METADATA = {
    "png": {"Software": None},
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
}


def write_figures(folder: Path) -> list[Path]:
    """Writes all figures of a results folder, each file whole or not at all; returns the files.

    Raises InputError for damaged runs and for runs that cannot be compared.
    """
    files = build_figures(folder)
    for name, content in files.items():
        write_atomically(folder / name, content)
    return [folder / name for name in files]


def build_figures(folder: Path) -> dict[str, bytes]:
    """The content of each file by its name within the results folder."""
    import matplotlib  # here, since it takes a second, and few who read tables want it

    grid = read_grid(folder)
    found = series_styles(grid)
    with matplotlib.rc_context(STYLE):
        return {
            f"figures/{figure.name}.{form}": content
            for figure in all_figures(grid, found)
            for form, content in draw_figure(figure, by_family(found)).items()
        }


def draw_figure(
    figure: Figure, members: list[tuple[MethodFamily, list[SeriesStyle]]]
) -> dict[str, bytes]:
    """The PNG and the PDF of a figure, with a key below where labels are numbers."""
    from matplotlib.figure import Figure as Canvas

    shown = {one.style.number for panel in figure.panels for one in panel.series}
    key = [look for _, some in members for look in some if look.number in shown]
    key = [] if all(look.tag == look.name for look in key) else key
    down = -(-len(figure.panels) // ACROSS)
    width = WIDTH * min(ACROSS, len(figure.panels)) + 8  # print has wider letters
    height = HEIGHT * down + KEY_LINE * -(-len(key) // ACROSS)
    canvas = Canvas(figsize=(width * POINT / 72, height * POINT / 72), dpi=220)
    for place, panel in enumerate(figure.panels):
        left, top = WIDTH * (place % ACROSS), HEIGHT * (place // ACROSS)
        plot = plot_area(panel)
        bottom = height - top - TOP - plot.height
        box = (left + LEFT, bottom, plot.width, plot.height)
        area = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
        _panel(canvas.add_axes(area), plot)
    if key:
        _key(canvas, key, width, height, HEIGHT * down)
    found = {}
    for form, metadata in METADATA.items():
        content = io.BytesIO()
        canvas.savefig(content, format=form, metadata=metadata, facecolor="white")
        found[form] = content.getvalue()
    return found


def _panel(axes: Any, plot: PlotArea) -> None:
    """Draws in the pixels of the page, y downwards."""
    panel = plot.panel
    axes.set_xlim(0, plot.width)
    axes.set_ylim(plot.height, 0)
    axes.set_title(panel.title, loc="left", style="italic", color=INK, fontsize=8, pad=6)
    _axes(axes, plot, panel)
    for corners, style in ((plot.steps(), "-"), (plot.diagonal() if panel.diagonal else [], ":")):
        axes.plot(*_split(corners), style, color=SOFT, linewidth=0.6, zorder=1)
    for order, one in enumerate(panel.series):
        _series(axes, plot, one, 2 + order / 100)
    for label in labels(plot):
        _label(axes, label)


def _axes(axes: Any, plot: PlotArea, panel: Panel) -> None:
    across, down = panel.x.scale.ticks(), panel.y.scale.ticks()
    axes.set_xticks([plot.width * place for place, _ in across], [text for _, text in across])
    axes.set_yticks([plot.height * (1 - place) for place, _ in down], [text for _, text in down])
    axes.set_xlabel(panel.x.label, color=SOFT, labelpad=2)
    axes.set_ylabel(panel.y.label, color=SOFT, labelpad=2)
    if panel.x.scale.nought is not None:  # two strokes where the place of 0 ends
        x = 0.1 * plot.width
        axes.plot([x - 2, x + 2], [plot.height] * 2, color="white", linewidth=2, clip_on=False)
        for left in (x - 4, x):
            ends = ([left, left + 4], [plot.height + 4, plot.height - 4])
            axes.plot(*ends, color=SOFT, linewidth=0.5, clip_on=False, zorder=5)
    axes.grid(axis="y", color=GRID, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(color=SOFT, labelcolor=SOFT, length=2, width=0.5, pad=2)
    axes.tick_params(axis="y", length=0)
    for side, spine in axes.spines.items():
        spine.set(visible=side in ("left", "bottom"), color=SOFT, linewidth=0.5)


def _series(axes: Any, plot: PlotArea, one: Series, order: float) -> None:
    color = one.style.family.light
    xs, ys = _split([plot.at(point) for point in one.points])
    low = [plot.y(point.low) for point in one.points]
    high = [plot.y(point.high) for point in one.points]
    if plot.panel.bands:
        if len(plot.panel.series) < 5:
            axes.fill_between(xs, low, high, color=color, alpha=0.1, linewidth=0, zorder=order)
    else:
        axes.vlines(xs, high, low, color=color, alpha=0.5, linewidth=0.6, zorder=order)
    if one.joined:
        axes.plot(xs, ys, color=color, linewidth=0.9, zorder=order)
    for hollow in sorted({point.hollow for point in one.points}):
        places = [plot.at(point) for point in one.points if point.hollow == hollow]
        axes.plot(
            *_split(places),
            linestyle="",
            marker=_marker(one.style),
            markersize=2 * MARKER * POINT * (0.8 if one.joined else 1),
            markerfacecolor="white" if hollow else color,
            markeredgecolor=color if hollow else "white",
            markeredgewidth=0.7 if hollow else 0.4,
            clip_on=False,
            zorder=order + 1,
        )


def _label(axes: Any, label: Label) -> None:
    color = label.look.family.light
    if label.leader is not None:
        x = label.x + 2 if label.right else label.x - 2
        middle = label.y + LINE * (len(label.lines) - 1) / 2
        ends = _split([label.leader, (x, middle)])
        axes.plot(*ends, color=color, alpha=0.6, linewidth=0.4, clip_on=False, zorder=4)
    for place, text in enumerate(label.lines):
        axes.text(
            label.x,
            label.y + LINE * place,
            text,
            color=color,
            ha="right" if label.right else "left",
            va="center",
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.2},
        )


def _key(canvas: Any, key: Sequence[SeriesStyle], width: float, height: float, top: float) -> None:
    """Markers, numbers and names in columns below the panels."""
    axes = canvas.add_axes((0, 0, 1, (height - top) / height))
    axes.set(xlim=(0, width), ylim=(height - top, 0))
    axes.axis("off")
    rows = -(-len(key) // ACROSS)
    for place, look in enumerate(key):
        x, y = LEFT + WIDTH * (place // rows), KEY_LINE * (place % rows + 0.3)
        color = look.family.light
        axes.plot([x], [y], marker=_marker(look), markersize=2 * MARKER * POINT, color=color)
        axes.text(x + 24, y, str(look.number), color=color, ha="right", va="center")
        axes.text(x + 30, y, look.name, color=INK, va="center")


def _marker(look: SeriesStyle) -> Any:
    """What matplotlib takes for a marker; its y runs upwards."""
    corners = SHAPES[look.shape % len(SHAPES)]
    return [(x, -y) for x, y in (*corners, corners[0])] if corners else "o"


def _split(places: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    places = list(places)
    return [x for x, _ in places], [y for _, y in places]

"""Draws a panel on axes of matplotlib, in pixels of the page."""

from collections.abc import Iterable
from typing import Any

from research.reporting.figures.colors import SeriesStyle
from research.reporting.figures.figure import Series
from research.reporting.figures.geometry import FEW, LINE, MARKER, SHAPES, PlotArea
from research.reporting.figures.label_placement import Label, labels

POINTS = 0.62  # points of print per pixel of the page; two panels are as wide as a page's text
INK, SOFT, GRID = "#1c1a17", "#5f5a52", "#ece7dc"


def draw_panel(axes: Any, plot: PlotArea) -> None:
    """Draws a panel; y runs downwards."""
    panel = plot.panel
    axes.set_xlim(0, plot.width)
    axes.set_ylim(plot.height, 0)
    title = "\n".join(plot.title)
    axes.set_title(title, loc="left", style="italic", color=INK, fontsize=8, pad=6)
    _axes(axes, plot)
    for corners, style in ((plot.steps(), "-"), (plot.diagonal() if panel.diagonal else [], ":")):
        axes.plot(*_split(corners), style, color=SOFT, linewidth=0.6, zorder=1)
    for index, series in enumerate(panel.series):
        _series(axes, plot, series, 2 + index / 100)
    for label in labels(plot):
        _label(axes, label)


def marker(style: SeriesStyle) -> Any:
    """The marker as matplotlib takes it; its y runs upwards."""
    corners = SHAPES[style.shape % len(SHAPES)]
    return [(x, -y) for x, y in (*corners, corners[0])] if corners else "o"


def _axes(axes: Any, plot: PlotArea) -> None:
    panel = plot.panel
    across, down = panel.x.scale.ticks(), panel.y.scale.ticks()
    axes.set_xticks([plot.width * x for x, _ in across], [text for _, text in across])
    axes.set_yticks([plot.height * (1 - y) for y, _ in down], [text for _, text in down])
    axes.set_xlabel(panel.x.label, color=SOFT, labelpad=2)
    axes.set_ylabel(panel.y.label, color=SOFT, labelpad=2)
    if panel.x.scale.zero_label is not None:  # two strokes after the position of 0
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


def _series(axes: Any, plot: PlotArea, series: Series, order: float) -> None:
    color = series.style.family.light
    xs, ys = _split([plot.at(point) for point in series.points])
    low = [plot.y(point.low) for point in series.points]
    high = [plot.y(point.high) for point in series.points]
    if plot.panel.bands:
        if len(plot.panel.series) < FEW:
            axes.fill_between(xs, low, high, color=color, alpha=0.1, linewidth=0, zorder=order)
    else:
        axes.vlines(xs, high, low, color=color, alpha=0.5, linewidth=0.6, zorder=order)
    if series.joined:
        axes.plot(xs, ys, color=color, linewidth=0.9, zorder=order)
    for hollow in sorted({point.hollow for point in series.points}):
        positions = [plot.at(point) for point in series.points if point.hollow == hollow]
        axes.plot(
            *_split(positions),
            linestyle="",
            marker=marker(series.style),
            markersize=2 * MARKER * POINTS * (0.8 if series.joined else 1),
            markerfacecolor="white" if hollow else color,
            markeredgecolor=color if hollow else "white",
            markeredgewidth=0.7 if hollow else 0.4,
            clip_on=False,
            zorder=order + 1,
        )


def _label(axes: Any, label: Label) -> None:
    color = label.style.family.light
    ends = _split(label.leader_line())
    axes.plot(*ends, color=color, alpha=0.6, linewidth=0.4, clip_on=False, zorder=4)
    for index, text in enumerate(label.lines):
        axes.text(
            label.x,
            label.y + LINE * index,
            text,
            color=color,
            ha="right" if label.right else "left",
            va="center",
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.2},
        )


def _split(positions: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    positions = list(positions)
    return [x for x, _ in positions], [y for _, y in positions]

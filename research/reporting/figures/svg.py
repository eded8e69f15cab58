"""Panels as SVG for the page; its style sheet gives the colours by family.

Each approach is a group with its number as `data-row`; each point has a title with its run ids.
"""

from collections.abc import Iterable
from html import escape

from research.reporting.figures.colors import SeriesStyle
from research.reporting.figures.figure import Panel, Point, Series
from research.reporting.figures.geometry import (
    BOTTOM,
    FEW,
    LINE,
    MARKER,
    SHAPES,
    TITLE_LINE,
    WIDTH,
    PlotArea,
    plot_area,
)
from research.reporting.figures.label_placement import Label, labels

HOVER_RADIUS = 8


def panel_svg(panel: Panel) -> str:
    """A panel as one <svg> element."""
    plot = plot_area(panel)
    crowding = "few" if len(panel.series) < FEW else "many"
    parts = (
        _axes(plot),
        _path("diagonal", plot.diagonal() if panel.diagonal else []) + _path("front", plot.steps()),
        *(_series(plot, series) for series in panel.series),
        *(_label(label) for label in labels(plot)),
    )
    title = "".join(
        f'<text class="title" x="{_n(plot.left)}" y="{_n(12 + TITLE_LINE * index)}">'
        f"{escape(line)}</text>"
        for index, line in enumerate(plot.title)
    )
    description = escape(f"{panel.title}: {panel.y.label} against {panel.x.label}")
    return (
        f'<svg class="panel {crowding}" viewBox="0 0 {_n(WIDTH)} {_n(plot.panel_height)}" '
        f'role="img" aria-label="{description}">{title}'
        f'<g transform="translate({_n(plot.left)} {_n(plot.top)})">{"".join(parts)}</g></svg>'
    )


def marker_svg(style: SeriesStyle) -> str:
    """A marker alone, for the key."""
    path = f'<path class="mark" d="{_marker(style.shape, MARKER)}" transform="translate(6 6)"/>'
    return f'<svg class="sample" viewBox="0 0 12 12" aria-hidden="true">{path}</svg>'


def _axes(plot: PlotArea) -> str:
    width, height = plot.width, plot.height
    parts = [f'<path class="axis" d="M0 0V{_n(height)}H{_n(width)}"/>']
    for position, text in plot.panel.y.scale.ticks():
        y = _n(height * (1 - position))
        parts.append(f'<path class="grid" d="M0 {y}H{_n(width)}"/>')
        parts.append(f'<text class="tick y" x="-6" y="{y}" dy=".32em">{escape(text)}</text>')
    for position, text in plot.panel.x.scale.ticks():
        x = _n(width * position)
        parts.append(f'<path class="axis" d="M{x} {_n(height)}v4"/>')
        parts.append(f'<text class="tick x" x="{x}" y="{_n(height + 15)}">{escape(text)}</text>')
    if plot.panel.x.scale.zero_label is not None:
        parts.append(_axis_break(plot))
    below = _n(height + BOTTOM - 8)
    parts.append(
        f'<text class="name x" x="{_n(width / 2)}" y="{below}">{escape(plot.panel.x.label)}</text>'
        f'<text class="name y" transform="translate({_n(8 - plot.left)} {_n(height / 2)}) '
        f'rotate(-90)">{escape(plot.panel.y.label)}</text>'
    )
    return "".join(parts)


def _axis_break(plot: PlotArea) -> str:
    """Two strokes across the x axis between the position of 0 and the logarithmic part."""
    x, y = plot.width * 0.1, plot.height
    return (
        f'<path class="gap" d="M{_n(x - 2)} {_n(y)}h4"/>'
        f'<path class="axis" d="M{_n(x - 4)} {_n(y + 4)}l4 -8M{_n(x)} {_n(y + 4)}l4 -8"/>'
    )


def _series(plot: PlotArea, series: Series) -> str:
    parts = []
    if plot.panel.bands:
        low = [(plot.x(p.x), plot.y(p.low)) for p in series.points]
        high = [(plot.x(p.x), plot.y(p.high)) for p in series.points]
        parts.append(_path("band", [*low, *reversed(high)], close=True))
    else:
        parts += [_bar(plot, point) for point in series.points]
    if series.joined:
        parts.append(_path("line", [plot.at(point) for point in series.points]))
    parts += [_point(plot, series.style, point, series.joined) for point in series.points]
    return _group(series.style, parts)


def _bar(plot: PlotArea, point: Point) -> str:
    x, low, high = plot.x(point.x), plot.y(point.low), plot.y(point.high)
    return f'<path class="bar" d="M{_n(x)} {_n(low)}V{_n(high)}"/>' if low - high > 0.1 else ""


def _point(plot: PlotArea, style: SeriesStyle, point: Point, small: bool) -> str:
    x, y = plot.at(point)
    kind = "mark hollow" if point.hollow else "mark"
    size = 0.8 * MARKER if small else MARKER
    return (
        f'<g class="point" transform="translate({_n(x)} {_n(y)})">'
        f"<title>{escape(hover_text(style, point))}</title>"
        f'<circle class="reach" r="{HOVER_RADIUS}"/>'
        f'<path class="{kind}" d="{_marker(style.shape, size)}"/></g>'
    )


def hover_text(style: SeriesStyle, point: Point) -> str:
    """The text shown on hover: name, values and run ids."""
    return f"{style.name}\n{point.text}\nruns {' '.join(point.runs)}"


def _label(label: Label) -> str:
    parts = [_path("leader", label.leader_line())]
    anchor = ' text-anchor="end"' if label.right else ""
    for index, line in enumerate(label.lines):
        y = _n(label.y + LINE * index)
        parts.append(
            f'<text class="label" x="{_n(label.x)}" y="{y}" dy=".32em"{anchor}>'
            f"{escape(line)}</text>"
        )
    return _group(label.style, parts)


def _group(style: SeriesStyle, parts: Iterable[str]) -> str:
    return f'<g class="approach {style.family.name}" data-row="{style.number}">{"".join(parts)}</g>'


def _path(kind: str, corners: list[tuple[float, float]], close: bool = False) -> str:
    if not corners:
        return ""
    positions = "L".join(f"{_n(x)} {_n(y)}" for x, y in corners)
    return f'<path class="{kind}" d="M{positions}{"Z" if close else ""}"/>'


def _marker(shape: int, radius: float) -> str:
    corners = SHAPES[shape % len(SHAPES)]
    if not corners:
        r = _n(0.95 * radius)
        return f"M-{r} 0a{r} {r} 0 1 0 {_n(1.9 * radius)} 0a{r} {r} 0 1 0 -{_n(1.9 * radius)} 0Z"
    return f"M{'L'.join(f'{_n(1.2 * radius * x)} {_n(1.2 * radius * y)}' for x, y in corners)}Z"


def _n(number: float) -> str:
    """One decimal, without a trailing zero; never -0."""
    return f"{round(number, 1) + 0.0:g}"

"""Panels as SVG for the page; colours come from its style sheet, by the class of the family.

Each approach is a group with its number as `data-row`; each point has a title with its run ids.
"""

from collections.abc import Iterable
from html import escape

from research.reporting.figures.colors import SeriesStyle
from research.reporting.figures.figure import Panel, Point, Series
from research.reporting.figures.geometry import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MARKER,
    SHAPES,
    TOP,
    WIDTH,
    PlotArea,
    plot_area,
)
from research.reporting.figures.label_placement import Label, labels

LINE_STEP = 11.5
REACH = 8  # radius around a point within which it is pointed at


def panel_svg(panel: Panel) -> str:
    """A panel as one <svg> element."""
    plot = plot_area(panel)
    few = "few" if len(panel.series) < 5 else "many"
    parts = (
        _axes(plot),
        _path("diagonal", plot.diagonal() if panel.diagonal else []) + _path("front", plot.steps()),
        *(_series(plot, one) for one in panel.series),
        *(_label(plot, label) for label in labels(plot)),
    )
    return (
        f'<svg class="panel {few}" viewBox="0 0 {_n(WIDTH)} {_n(HEIGHT)}" role="img" '
        f'aria-label="{escape(f"{panel.title}: {panel.y.label} against {panel.x.label}")}">'
        f'<text class="title" x="{_n(LEFT)}" y="12">{escape(panel.title)}</text>'
        f'<g transform="translate({_n(LEFT)} {_n(TOP)})">{"".join(parts)}</g></svg>'
    )


def marker_svg(look: SeriesStyle) -> str:
    """A marker alone, for the key."""
    path = f'<path class="mark" d="{_marker(look.shape, MARKER)}" transform="translate(6 6)"/>'
    return f'<svg class="sample" viewBox="0 0 12 12" aria-hidden="true">{path}</svg>'


def _axes(plot: PlotArea) -> str:
    width, height = plot.width, plot.height
    parts = [f'<path class="axis" d="M0 0V{_n(height)}H{_n(width)}"/>']
    for place, text in plot.panel.y.scale.ticks():
        y = _n(height * (1 - place))
        parts.append(f'<path class="grid" d="M0 {y}H{_n(width)}"/>')
        parts.append(f'<text class="tick y" x="-6" y="{y}" dy=".32em">{escape(text)}</text>')
    for place, text in plot.panel.x.scale.ticks():
        x = _n(width * place)
        parts.append(f'<path class="axis" d="M{x} {_n(height)}v4"/>')
        parts.append(f'<text class="tick x" x="{x}" y="{_n(height + 15)}">{escape(text)}</text>')
    if plot.panel.x.scale.nought is not None:
        parts.append(_break(plot))
    below = _n(height + BOTTOM - 8)
    parts.append(
        f'<text class="name x" x="{_n(width / 2)}" y="{below}">{escape(plot.panel.x.label)}</text>'
        f'<text class="name y" transform="translate({_n(8 - LEFT)} {_n(height / 2)}) rotate(-90)">'
        f"{escape(plot.panel.y.label)}</text>"
    )
    return "".join(parts)


def _break(plot: PlotArea) -> str:
    """Two strokes through the axis where the place of 0 ends."""
    x, y = plot.width * 0.1, plot.height
    return (
        f'<path class="gap" d="M{_n(x - 2)} {_n(y)}h4"/>'
        f'<path class="axis" d="M{_n(x - 4)} {_n(y + 4)}l4 -8M{_n(x)} {_n(y + 4)}l4 -8"/>'
    )


def _series(plot: PlotArea, one: Series) -> str:
    parts = []
    if plot.panel.bands:
        low = [(plot.x(p.x), plot.y(p.low)) for p in one.points]
        high = [(plot.x(p.x), plot.y(p.high)) for p in one.points]
        parts.append(_path("band", [*low, *reversed(high)], close=True))
    else:
        parts += [_bar(plot, point) for point in one.points]
    if one.joined:
        parts.append(_path("line", [plot.at(point) for point in one.points]))
    parts += [_point(plot, one.style, point, one.joined) for point in one.points]
    return _group(one.style, parts)


def _bar(plot: PlotArea, point: Point) -> str:
    x, low, high = plot.x(point.x), plot.y(point.low), plot.y(point.high)
    return f'<path class="bar" d="M{_n(x)} {_n(low)}V{_n(high)}"/>' if low - high > 0.1 else ""


def _point(plot: PlotArea, look: SeriesStyle, point: Point, small: bool) -> str:
    x, y = plot.at(point)
    kind = "mark hollow" if point.hollow else "mark"
    size = 0.8 * MARKER if small else MARKER
    return (
        f'<g class="point" transform="translate({_n(x)} {_n(y)})">'
        f"<title>{escape(hover_text(look, point))}</title>"
        f'<circle class="reach" r="{REACH}"/><path class="{kind}" d="{_marker(look.shape, size)}"/>'
        "</g>"
    )


def hover_text(look: SeriesStyle, point: Point) -> str:
    """What is shown on pointing at a point."""
    return f"{look.name}\n{point.says}\nruns {' '.join(point.runs)}"


def _label(plot: PlotArea, label: Label) -> str:
    parts = []
    if label.leader is not None:
        x = label.x + 2 if label.right else label.x - 2
        middle = label.y + LINE_STEP * (len(label.lines) - 1) / 2
        parts.append(_path("leader", [label.leader, (x, middle)]))
    anchor = ' text-anchor="end"' if label.right else ""
    for place, line in enumerate(label.lines):
        y = _n(label.y + LINE_STEP * place)
        parts.append(
            f'<text class="label" x="{_n(label.x)}" y="{y}" dy=".32em"{anchor}>'
            f"{escape(line)}</text>"
        )
    return _group(label.look, parts)


def _group(look: SeriesStyle, parts: Iterable[str]) -> str:
    return f'<g class="of {look.family.name}" data-row="{look.number}">{"".join(parts)}</g>'


def _path(kind: str, corners: list[tuple[float, float]], close: bool = False) -> str:
    if not corners:
        return ""
    places = "L".join(f"{_n(x)} {_n(y)}" for x, y in corners)
    return f'<path class="{kind}" d="M{places}{"Z" if close else ""}"/>'


def _marker(shape: int, radius: float) -> str:
    corners = SHAPES[shape % len(SHAPES)]
    if not corners:
        r = _n(0.95 * radius)
        return f"M-{r} 0a{r} {r} 0 1 0 {_n(1.9 * radius)} 0a{r} {r} 0 1 0 -{_n(1.9 * radius)} 0Z"
    return f"M{'L'.join(f'{_n(1.2 * radius * x)} {_n(1.2 * radius * y)}' for x, y in corners)}Z"


def _n(number: float) -> str:
    """One decimal, without a trailing zero; never -0."""
    return f"{round(number, 1) + 0.0:g}"

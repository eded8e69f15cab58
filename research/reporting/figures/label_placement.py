"""Labels beside points and lines: placed so that none hides another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import cos, hypot, pi, sin

from research.reporting.figures.colors import SeriesStyle
from research.reporting.figures.figure import Series
from research.reporting.figures.geometry import (
    AWAY,
    LINE,
    MARKER,
    RIGHT,
    Place,
    PlotArea,
    joined,
    line_style,
    marker_size,
)

Box = tuple[float, float, float, float]  # left, top, right, bottom
RINGS = (8.0, 17.0, 27.0, 40.0, 56.0)  # of labels around a point; a line leads to the outer ones
SIDES = (0, 1, 0.5, 1.5, 0.25, 1.75, 0.75, 1.25)  # times pi: right, left, below, above, corners


@dataclass(frozen=True)
class Label:
    """lines: of text. x, y: of the middle of the first line's left or right end. right: whether the
    text ends there. leader: where a line to it begins, None without a line.
    """

    look: SeriesStyle
    lines: tuple[str, ...]
    x: float
    y: float
    right: bool
    leader: Place | None


def labels(plot: PlotArea) -> list[Label]:
    """A label for each approach: beside its line's end, or around its point where there is room."""
    return _at_ends(plot) if joined(plot.panel) else _around(plot)


def _at_ends(plot: PlotArea) -> list[Label]:
    """One below the other to the right of the plot, as near to the lines' ends as may be."""
    ends = [(one.style, plot.at(one.points[-1])) for one in plot.panel.series]
    ends.sort(key=lambda end: end[1][1])
    heights = [marker_size(line_style(look.tag))[1] for look, _ in ends]
    tops = apart([at[1] - high / 2 for (_, at), high in zip(ends, heights, strict=True)], heights)
    return [
        Label(
            look,
            line_style(look.tag),
            plot.width + AWAY,
            top + LINE / 2,
            False,
            (at[0] + MARKER + 1, at[1]),
        )
        for (look, at), top in zip(ends, tops, strict=True)
    ]


def apart(tops: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Ascending tops moved so that nothing overlaps: groups that would stand around their mean."""
    groups: list[list[tuple[float, float]]] = []  # of (wanted top, height)
    for one in zip(tops, heights, strict=True):
        groups.append([one])
        while len(groups) > 1 and _stack(groups[-2])[-1] > _stack(groups[-1])[0] + 1e-9:
            last = groups.pop()
            groups[-1] += last
    return [top for group in groups for top in _stack(group)[:-1]]


def _stack(group: Sequence[tuple[float, float]]) -> list[float]:
    """The tops of a group one below the other, as near as may be, and its bottom."""
    depths = [0.0]
    for _, height in group:
        depths.append(depths[-1] + height)
    wanted = [top - depth for (top, _), depth in zip(group, depths, strict=False)]
    begin = sum(wanted) / len(wanted)
    return [begin + depth for depth in depths]


def _around(plot: PlotArea) -> list[Label]:
    """Beside the points, those of the front first; a label without room is left out."""
    at = {one.style.number: plot.at(one.points[0]) for one in plot.panel.series}
    taken = [(x - MARKER, y - MARKER, x + MARKER, y + MARKER) for x, y in at.values()]
    drawn = [*_bars(plot), *_front(plot)]
    best = {(plot.x(x), plot.y(y)) for x, y in plot.panel.front}
    found = []
    for one in sorted(plot.panel.series, key=lambda one: at[one.style.number] not in best):
        places = [_place(one.style, at[one.style.number], *way) for way in product(RINGS, SIDES)]
        free = [
            (_cost(plot, one, ring, box, drawn), order, label, box)
            for order, (ring, label, box) in enumerate(places)
            if _inside(plot, box) and not any(_meet(box, other) for other in taken)
        ]
        if free:
            *_, label, box = min(free, key=lambda place: place[:2])
            taken.append(box)
            found.append(label)
    return found


def _cost(plot: PlotArea, one: Series, ring: float, box: Box, drawn: Sequence[Box]) -> float:
    """Of a label's place: farther is worse, and what it hides, and to seem to be of another point
    in the same colour.
    """
    kin = [other for other in plot.panel.series if other.style.family == one.style.family]
    near = min(kin, key=lambda other: _distance(plot.at(other.points[0]), box))
    hidden = sum(_meet(box, other) for other in drawn)
    return RINGS.index(ring) + hidden / 2 + 1.5 * (near is not one)


def _distance(at: Place, box: Box) -> float:
    """From a place to the nearest side of a box outside of it."""
    across = max(box[0] - at[0], at[0] - box[2], 0)
    return hypot(across, max(box[1] - at[1], at[1] - box[3], 0))


def _bars(plot: PlotArea) -> list[Box]:
    points = [one.points[0] for one in plot.panel.series]
    return [(plot.x(p.x) - 1, plot.y(p.high), plot.x(p.x) + 1, plot.y(p.low)) for p in points]


def _front(plot: PlotArea) -> list[Box]:
    """The front's lines, which go right or up."""
    corners = plot.steps()
    pairs = zip(corners, corners[1:], strict=False)
    return [(a[0] - 1, b[1] - 1, b[0] + 1, a[1] + 1) for a, b in pairs]


def _place(look: SeriesStyle, at: Place, ring: float, side: float) -> tuple[float, Label, Box]:
    """A label at such a distance on such a side of a point, and its box."""
    text = line_style(look.tag)
    width, height = marker_size(text)
    dx, dy = ring * cos(side * pi), ring * sin(side * pi)
    across = -width / 2 if abs(dx) < 1e-6 else -width if dx < 0 else 0.0
    down = -height / 2 if abs(dy) < 1e-6 else -0.9 * height if dy < 0 else -0.1 * height
    left, top = at[0] + dx + across, at[1] + dy + down
    leader = None
    if ring > RINGS[0]:
        share = (MARKER + 1) / hypot(dx, dy)
        leader = (at[0] + share * dx, at[1] + share * dy)
    right = dx < -1e-6
    label = Label(look, text, left + width if right else left, top + LINE / 2, right, leader)
    return ring, label, (left, top, left + width, top + height)


def _inside(plot: PlotArea, box: Box) -> bool:
    return box[0] > 1 and box[1] > -6 and box[2] < plot.width + RIGHT and box[3] < plot.height - 1


def _meet(one: Box, other: Box) -> bool:
    """Whether two boxes share an area."""
    across = min(one[2], other[2]) > max(one[0], other[0])
    return across and min(one[3], other[3]) > max(one[1], other[1])

"""Labels beside points and lines, placed so that none overlaps another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import cos, hypot, pi, sin
from typing import NamedTuple

from research.reporting.figures.box import Box
from research.reporting.figures.colors import SeriesStyle
from research.reporting.figures.figure import Series
from research.reporting.figures.geometry import (
    LABEL_DISTANCE,
    LINE,
    MARKER,
    RIGHT,
    PlotArea,
    Position,
    has_lines,
    label_lines,
    text_size,
)

RINGS = (8.0, 17.0, 27.0, 40.0, 56.0)  # distances of labels from a point; outer ones get a leader
PADDING = 2.0  # free space on the left and right of a label
SIDES = (0, 1, 0.5, 1.5, 0.25, 1.75, 0.75, 1.25)  # times pi: right, left, below, above, corners


@dataclass(frozen=True)
class Label:
    """The label of an approach.

    Attributes:
        style: style of the approach.
        lines: lines of text.
        x: left end of the text, or right end.
        y: middle of the first line.
        right: whether `x` is the right end.
        leader: start of a line that leads to the label; None without one.
    """

    style: SeriesStyle
    lines: tuple[str, ...]
    x: float
    y: float
    right: bool
    leader: Position | None

    def leader_line(self) -> list[Position]:
        """Both ends of the line that leads to the label; [] without one."""
        if self.leader is None:
            return []
        x = self.x + 2 if self.right else self.x - 2
        return [self.leader, (x, self.y + LINE * (len(self.lines) - 1) / 2)]


def labels(plot: PlotArea) -> list[Label]:
    """A label for each approach: at the end of its line, or around its point if there is room."""
    return _at_ends(plot) if has_lines(plot.panel) else _around(plot)


def _at_ends(plot: PlotArea) -> list[Label]:
    """One below the other on the right of the plot, as close to the ends of lines as possible."""
    ends = [(series.style, plot.at(series.points[-1])) for series in plot.panel.series]
    ends.sort(key=lambda end: end[1][1])
    heights = [text_size(label_lines(style.tag))[1] for style, _ in ends]
    middles = [at[1] - height / 2 for (_, at), height in zip(ends, heights, strict=True)]
    tops = apart(middles, heights, plot.height)
    return [
        Label(
            style,
            label_lines(style.tag),
            plot.width + LABEL_DISTANCE,
            top + LINE / 2,
            False,
            (at[0] + MARKER + 1, at[1]),
        )
        for (style, at), top in zip(ends, tops, strict=True)
    ]


def apart(tops: Sequence[float], heights: Sequence[float], bottom: float) -> list[float]:
    """Ascending tops, moved as little as possible until nothing overlaps.

    All stay between 0 and `bottom`, which must be at least the sum of the heights.
    """
    # Groups that touch move together, as in isotonic regression (pool adjacent violators).
    groups: list[list[tuple[float, float]]] = []  # (wanted top, height)
    for label in zip(tops, heights, strict=True):
        groups.append([label])
        while len(groups) > 1:
            above, below = _stack(groups[-2], bottom), _stack(groups[-1], bottom)
            if above[-1] <= below[0] + 1e-9:
                break
            last = groups.pop()
            groups[-1] += last
    return [top for group in groups for top in _stack(group, bottom)[:-1]]


def _stack(group: Sequence[tuple[float, float]], bottom: float) -> list[float]:
    """The tops of a group one below the other, close to the wanted ones, and its lower end."""
    depths = [0.0]
    for _, height in group:
        depths.append(depths[-1] + height)
    wanted = [top - depth for (top, _), depth in zip(group, depths, strict=False)]
    begin = max(min(sum(wanted) / len(wanted), bottom - depths[-1]), 0.0)
    return [begin + depth for depth in depths]


def _around(plot: PlotArea) -> list[Label]:
    """Labels beside points, those on the front first; a label without room is left out."""
    at = {series.style.number: plot.at(series.points[0]) for series in plot.panel.series}
    occupied = [Box(x - MARKER, y - MARKER, x + MARKER, y + MARKER) for x, y in at.values()]
    markers, drawn = len(occupied), [*_bars(plot), *_front(plot)]
    on_front = {(plot.x(x), plot.y(y)) for x, y in plot.panel.front}
    placed = []
    for series in sorted(plot.panel.series, key=lambda s: at[s.style.number] not in on_front):
        point = at[series.style.number]
        options = [_option(series.style, point, *way) for way in product(RINGS, SIDES)]
        free = [
            (_cost(plot, series, option, drawn, occupied[markers:]), order, option)
            for order, option in enumerate(options)
            if _inside(plot, option.box) and not any(map(option.box.overlaps, occupied))
        ]
        if free:
            *_, option = min(free, key=lambda entry: entry[:2])
            occupied.append(option.box)
            drawn += option.leader
            placed.append(option.label)
    return placed


class _Option(NamedTuple):
    """A possible place of a label.

    Attributes:
        ring: its distance from the point.
        label: the label.
        box: the area of the label.
        leader: small areas along its leader.
    """

    ring: float
    label: Label
    box: Box
    leader: list[Box]


def _cost(
    plot: PlotArea, series: Series, option: _Option, drawn: Sequence[Box], placed: Sequence[Box]
) -> float:
    """Cost of a place: by its distance, by the lines it covers, for a leader across other labels,
    and for being closer to another point of the same colour.
    """
    family = [s for s in plot.panel.series if s.style.family == series.style.family]
    closest = min(family, key=lambda other: option.box.distance(plot.at(other.points[0])))
    covered = sum(map(option.box.overlaps, drawn))
    crossed = sum(any(map(label.overlaps, option.leader)) for label in placed)
    distance = RINGS.index(option.ring)
    return distance + covered / 2 + 2 * crossed + 1.5 * (closest is not series)


def _bars(plot: PlotArea) -> list[Box]:
    points = [series.points[0] for series in plot.panel.series]
    return [Box(plot.x(p.x) - 1, plot.y(p.high), plot.x(p.x) + 1, plot.y(p.low)) for p in points]


def _front(plot: PlotArea) -> list[Box]:
    """The lines of the front, which go right or up."""
    corners = plot.steps()
    pairs = zip(corners, corners[1:], strict=False)
    return [Box(a[0] - 1, b[1] - 1, b[0] + 1, a[1] + 1) for a, b in pairs]


def _option(style: SeriesStyle, point: Position, ring: float, side: float) -> _Option:
    """The label at a distance from a point, on one side of it."""
    text = label_lines(style.tag)
    width, height = text_size(text)
    dx, dy = ring * cos(side * pi), ring * sin(side * pi)
    across = -width / 2 if abs(dx) < 1e-6 else -width if dx < 0 else 0.0
    down = -height / 2 if abs(dy) < 1e-6 else -0.9 * height if dy < 0 else -0.1 * height
    left, top = point[0] + dx + across, point[1] + dy + down
    leader = None
    if ring > RINGS[0]:
        share = (MARKER + 1) / hypot(dx, dy)
        leader = (point[0] + share * dx, point[1] + share * dy)
    right = dx < -1e-6
    label = Label(style, text, left + width if right else left, top + LINE / 2, right, leader)
    box = Box(left - PADDING, top, left + width + PADDING, top + height)
    return _Option(ring, label, box, _along(leader, (point[0] + dx, point[1] + dy)))


def _along(start: Position | None, end: Position) -> list[Box]:
    """Small boxes on a line; none without a start."""
    if start is None:
        return []
    shares = [step / 8 for step in range(8)]
    middles = [
        (start[0] + s * (end[0] - start[0]), start[1] + s * (end[1] - start[1])) for s in shares
    ]
    return [Box(x - 1, y - 1, x + 1, y + 1) for x, y in middles]


def _inside(plot: PlotArea, box: Box) -> bool:
    across = box.left > 1 and box.right < plot.width + RIGHT
    return across and box.top > -6 and box.bottom < plot.height - 1

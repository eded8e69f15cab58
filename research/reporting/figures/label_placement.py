"""Labels beside points and lines, placed so that none overlaps another."""

from dataclasses import dataclass
from itertools import product
from math import cos, hypot, pi, sin
from typing import NamedTuple

import numpy as np

from research.reporting.figures.boxes import around, distances, overlaps
from research.reporting.figures.colors import SeriesStyle
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
from research.reporting.figures.stacking import apart

RINGS = (8.0, 17.0, 27.0, 40.0, 56.0)  # distances of labels from a point; outer ones get a leader
PADDING = 2.0  # free space on the left and right of a label
SIDES = (0, 1, 0.5, 1.5, 0.25, 1.75, 0.75, 1.25)  # times pi: right, left, below, above, corners
# The places of a label around a point: offsets from it, and the index of the ring of each.
OFFSETS = [(r * cos(side * pi), r * sin(side * pi)) for r, side in product(RINGS, SIDES)]
DISTANCES = np.repeat(np.arange(len(RINGS)), len(SIDES))
ALONG = np.arange(8)[:, None] / 8  # places of the small areas along a leader


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


def _around(plot: PlotArea) -> list[Label]:
    """Labels beside points, those on the front first; a label without room is left out."""
    all_series = plot.panel.series
    points = [plot.at(series.points[0]) for series in all_series]
    families = [series.style.family for series in all_series]
    occupied, labelled = around(points, MARKER), np.empty((0, 4))
    drawn = np.concatenate([_bars(plot), _front(plot)])
    on_front = {(plot.x(x), plot.y(y)) for x, y in plot.panel.front}
    placed = []
    for index in sorted(range(len(points)), key=lambda i: points[i] not in on_front):
        places = _places(all_series[index].style, points[index])
        free = _inside(plot, places.boxes) & ~overlaps(places.boxes, occupied).any(1)
        if not free.any():
            continue
        alike = [i for i, family in enumerate(families) if family == families[index]]
        # A place is worse the farther it is, for lines it covers, for a leader across other labels,
        # and for being closer to another point of the same colour.
        nearest = distances(places.boxes, np.array([points[i] for i in alike])).argmin(1)
        covered = overlaps(places.boxes, drawn).sum(1)
        crossed = overlaps(places.leaders, labelled).any(1).sum(1)
        another = nearest != alike.index(index)
        cost = DISTANCES + covered / 2 + 2 * crossed + 1.5 * another
        best = int(np.where(free, cost, np.inf).argmin())
        box = places.boxes[best][None]
        occupied, labelled = np.concatenate([occupied, box]), np.concatenate([labelled, box])
        if DISTANCES[best]:
            drawn = np.concatenate([drawn, places.leaders[best]])
        placed.append(_label(all_series[index].style, points[index], best))
    return placed


def _bars(plot: PlotArea) -> np.ndarray:
    points = [series.points[0] for series in plot.panel.series]
    return np.array(
        [(plot.x(p.x) - 1, plot.y(p.high), plot.x(p.x) + 1, plot.y(p.low)) for p in points]
    )


def _front(plot: PlotArea) -> np.ndarray:
    """The lines of the front, which go right or up."""
    corners = plot.steps()
    pairs = zip(corners, corners[1:], strict=False)
    boxes = [(a[0] - 1, b[1] - 1, b[0] + 1, a[1] + 1) for a, b in pairs]
    return np.array(boxes).reshape(-1, 4)


class _Places(NamedTuple):
    """The places around a point where its label can stand.

    Attributes:
        boxes: their areas, [P, 4].
        leaders: small areas along their leaders, [P, 8, 4]; NaN where a place has no leader.
    """

    boxes: np.ndarray
    leaders: np.ndarray


def _places(style: SeriesStyle, point: Position) -> _Places:
    width, height = text_size(label_lines(style.tag))
    corners = np.array([_corner(point, dx, dy, width, height) for dx, dy in OFFSETS])
    boxes = np.concatenate([corners - (PADDING, 0), corners + (width + PADDING, height)], axis=1)
    begin = np.array([_leader_start(point, dx, dy) for dx, dy in OFFSETS])[:, None]
    end = np.array([(point[0] + dx, point[1] + dy) for dx, dy in OFFSETS])[:, None]
    leaders = around(begin + ALONG * (end - begin), 1)
    leaders[DISTANCES == 0] = np.nan
    return _Places(boxes, leaders)


def _label(style: SeriesStyle, point: Position, place: int) -> Label:
    """The label of a point at one of its places."""
    text, (dx, dy) = label_lines(style.tag), OFFSETS[place]
    width, height = text_size(text)
    left, top = _corner(point, dx, dy, width, height)
    right = dx < -1e-6
    leader = _leader_start(point, dx, dy) if DISTANCES[place] else None
    return Label(style, text, left + width if right else left, top + LINE / 2, right, leader)


def _corner(point: Position, dx: float, dy: float, width: float, height: float) -> Position:
    """The upper left corner of a text at a distance from a point."""
    across = -width / 2 if abs(dx) < 1e-6 else -width if dx < 0 else 0.0
    down = -height / 2 if abs(dy) < 1e-6 else -0.9 * height if dy < 0 else -0.1 * height
    return point[0] + dx + across, point[1] + dy + down


def _leader_start(point: Position, dx: float, dy: float) -> Position:
    """Where a leader leaves the marker of a point."""
    share = (MARKER + 1) / hypot(dx, dy)
    return point[0] + share * dx, point[1] + share * dy


def _inside(plot: PlotArea, boxes: np.ndarray) -> np.ndarray:
    left, top, right, bottom = boxes.T
    across = (left > 1) & (right < plot.width + RIGHT)
    return across & (top > -6) & (bottom < plot.height - 1)

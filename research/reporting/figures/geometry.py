"""Positions of the parts of a panel, for the page and for print.

Lengths are pixels of the page; y runs downwards from the top of the plot.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from textwrap import wrap

from research.reporting.figures.figure import Panel, Point

WIDTH = 372.0  # of a panel with its axes and labels
PLOT_HEIGHT = 196.0  # of a plot, unless the labels of its lines need more
LEFT, TOP, BOTTOM = 44.0, 26.0, 40.0  # least margins of the plot
RIGHT = 12.0  # margin on the right if labels are within the plot
TEXT, LINE = 10.5, 11.5  # size of letters, distance of lines
LETTER, CAPITAL, NARROW = 5.4, 7.6, 3.0  # mean widths
TITLE_LINE = 14.0
TITLE_WIDTH = 270.0  # of a line above a panel, as letters of labels
MARKER = 4.0  # radius
LONG = 17  # letters; a longer label is broken into two lines
LABEL_DISTANCE = 14.0  # from the plot to the labels beside it
FEW = 5  # from so many series on, bands are drawn on hover only, and not in print
AXIS_NAME = 20.0  # space for the ticks of the y axis that LEFT includes
Position = tuple[float, float]


def _polygon(corners: int, turn: float = 0.0, inner: float = 1.0) -> tuple[Position, ...]:
    """The corners of a regular polygon or star around 0, the first on top."""
    angles = [2 * pi * (k + turn) / corners - pi / 2 for k in range(corners)]
    radii = [1.0 if k % 2 == 0 else inner for k in range(corners)]
    return tuple((r * cos(a), r * sin(a)) for a, r in zip(angles, radii, strict=True))


# The markers within a family: their corners, none for a circle.
SHAPES = (
    (),
    _polygon(4, 0.5),
    _polygon(3),
    _polygon(4),
    _polygon(3, 0.5),
    _polygon(10, inner=0.45),
    _polygon(6),
    _polygon(8, inner=0.4),
    _polygon(5),
    _polygon(6, inner=0.4),
)


@dataclass(frozen=True)
class PlotArea:
    """The plot within a panel.

    Attributes:
        panel: the panel.
        title: lines of the panel's title.
        left: margin on the left.
        top: margin at the top.
        width: width of the plot.
        height: height of the plot.
    """

    panel: Panel
    title: tuple[str, ...]
    left: float
    top: float
    width: float
    height: float

    @property
    def panel_height(self) -> float:
        """Height of the whole panel."""
        return self.top + self.height + BOTTOM

    def x(self, value: float) -> float:
        return self.width * self.panel.x.scale.position(value)

    def y(self, value: float) -> float:
        return self.height * (1 - self.panel.y.scale.position(value))

    def at(self, point: Point) -> Position:
        return self.x(point.x), self.y(point.y)

    def steps(self) -> list[Position]:
        """The corners of the Pareto front, extended to the right end of the plot."""
        corners: list[Position] = []
        for cost, score in self.panel.front:
            x, y = self.x(cost), self.y(score)
            corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, y)]
        return [*corners, (self.width, corners[-1][1])] if corners else []

    def diagonal(self) -> list[Position]:
        """Both ends of the line of equal values; [] if it is not visible."""
        x, y = self.panel.x.scale, self.panel.y.scale
        low, high = max(x.low, y.low), min(x.high, y.high)
        return [(self.x(v), self.y(v)) for v in (low, high)] if low < high else []


def plot_area(panel: Panel) -> PlotArea:
    """The plot of a panel; margins and height leave room for ticks, title and labels of lines."""
    right, height = RIGHT, PLOT_HEIGHT
    if has_lines(panel):
        sizes = [text_size(label_lines(series.style.tag)) for series in panel.series]
        right = LABEL_DISTANCE + max(width for width, _ in sizes) + 2
        height = max(height, sum(label_height for _, label_height in sizes))
    ticks = max(text_width(text) for _, text in panel.y.scale.ticks())
    left = LEFT + max(ticks - AXIS_NAME, 0.0)
    title = _title_lines(panel.title)
    top = TOP + TITLE_LINE * (len(title) - 1)
    return PlotArea(panel, title, left, top, WIDTH - left - right, height)


def _title_lines(title: str) -> tuple[str, ...]:
    letters = TITLE_WIDTH * len(title) // max(text_width(title), 1.0)
    return tuple(wrap(title, max(int(letters), 1))) or ("",)


def has_lines(panel: Panel) -> bool:
    """Whether points are joined by lines."""
    return any(series.joined for series in panel.series)


def label_lines(tag: str) -> tuple[str, ...]:
    """The lines of a label; a long one is broken near its middle."""
    spaces = [index for index, letter in enumerate(tag) if letter == " "]
    if len(tag) <= LONG or not spaces:
        return (tag,)
    cut = min(spaces, key=lambda index: abs(index - len(tag) / 2))
    return tag[:cut], tag[cut + 1 :]


def text_size(lines: Sequence[str]) -> tuple[float, float]:
    """Approximate width and height of lines of text."""
    return max(map(text_width, lines)), LINE * len(lines)


def text_width(text: str) -> float:
    """Approximate width of a line of text."""
    return sum(map(_letter_width, text))


@cache
def _letter_width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return TEXT
    if unicodedata.combining(letter):
        return 0.0
    if letter in " .,:;!|'()[]":
        return NARROW
    return CAPITAL if letter.isupper() or letter in "mw%@" else LETTER

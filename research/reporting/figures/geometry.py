"""Where the parts of a panel stand, for the page and for print alike.

Lengths are those of the page in pixels; y runs downwards from the top of the plot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin

from research.reporting.figures.figure import Panel, Point

WIDTH, HEIGHT = 372.0, 262.0  # of a panel with all that belongs to it
LEFT, TOP, BOTTOM = 44.0, 26.0, 40.0
RIGHT = 12.0  # beside the plot where labels stand within it
TEXT, LETTER, LINE = 10.5, 5.4, 11.5  # size, mean width of a letter, distance of lines
MARKER = 4.0  # radius
LONG = 17  # letters, from which on a label takes two lines
AWAY = 14.0  # from the plot to the labels beside it
Place = tuple[float, float]


def _polygon(corners: int, turn: float = 0.0, inner: float = 1.0) -> tuple[Place, ...]:
    """The corners of a regular polygon or star around 0, the first on top."""
    angles = [2 * pi * (k + turn) / corners - pi / 2 for k in range(corners)]
    radii = [1.0 if k % 2 == 0 else inner for k in range(corners)]
    return tuple((r * cos(a), r * sin(a)) for a, r in zip(angles, radii, strict=True))


# The markers of a family's approaches in turn: their corners, none for a circle.
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
    """The plot within a panel."""

    panel: Panel
    width: float
    height: float

    def x(self, value: float) -> float:
        return self.width * self.panel.x.scale.place(value)

    def y(self, value: float) -> float:
        return self.height * (1 - self.panel.y.scale.place(value))

    def at(self, point: Point) -> Place:
        return self.x(point.x), self.y(point.y)

    def steps(self) -> list[Place]:
        """The corners of the Pareto front, drawn to the right end of the plot."""
        corners: list[Place] = []
        for cost, score in self.panel.front:
            x, y = self.x(cost), self.y(score)
            corners += [(x, corners[-1][1]), (x, y)] if corners else [(x, y)]
        return [*corners, (self.width, corners[-1][1])] if corners else []

    def diagonal(self) -> list[Place]:
        """The two ends of the line on which both axes have the same value; [] if none is seen."""
        x, y = self.panel.x.scale, self.panel.y.scale
        low, high = max(x.low, y.low), min(x.high, y.high)
        return [(self.x(v), self.y(v)) for v in (low, high)] if low < high else []


def plot_area(panel: Panel) -> PlotArea:
    """The plot, with room beside it for the labels of lines."""
    right = RIGHT
    if joined(panel):
        right = AWAY + max(marker_size(line_style(one.style.tag))[0] for one in panel.series) + 2
    return PlotArea(panel, WIDTH - LEFT - right, HEIGHT - TOP - BOTTOM)


def joined(panel: Panel) -> bool:
    """Whether there are lines."""
    return any(one.joined for one in panel.series)


def line_style(tag: str) -> tuple[str, ...]:
    """The text of a label; a long one is broken near its middle."""
    spaces = [place for place, letter in enumerate(tag) if letter == " "]
    if len(tag) <= LONG or not spaces:
        return (tag,)
    cut = min(spaces, key=lambda place: abs(place - len(tag) / 2))
    return tag[:cut], tag[cut + 1 :]


def marker_size(text: Sequence[str]) -> tuple[float, float]:
    """Width and height of lines of text, about."""
    return LETTER * max(map(len, text)), LINE * len(text)

"""Rectangles of a panel, to find labels that overlap."""

from math import hypot
from typing import NamedTuple

from research.reporting.figures.geometry import Position


class Box(NamedTuple):
    """A rectangle.

    Attributes:
        left: its left side.
        top: its top.
        right: its right side.
        bottom: its bottom.
    """

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether both share an area."""
        across = min(self.right, other.right) > max(self.left, other.left)
        return across and min(self.bottom, other.bottom) > max(self.top, other.top)

    def distance(self, position: Position) -> float:
        """Distance from a position to the rectangle, 0 within it."""
        across = max(self.left - position[0], position[0] - self.right, 0)
        return hypot(across, max(self.top - position[1], position[1] - self.bottom, 0))

"""Axes: from values to places between 0 and 1, and where the ticks stand."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from research.reporting.format import count

MARGIN = 0.04  # of the axis, free at both ends
SLOT = 0.16  # where the logarithms begin beside a place for 0
MOST_TICKS = 6


@dataclass(frozen=True)
class AxisScale:
    """low, high: the values at the two ends, or their common logarithms. nought: the name of the
    place of 0 on a logarithmic axis, None without such a place. text: how a tick reads.
    """

    low: float
    high: float
    text: Callable[[float], str]
    logarithmic: bool = False
    nought: str | None = None

    def place(self, value: float) -> float:
        """Where a value stands, from 0 to 1."""
        if not self.logarithmic:
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return MARGIN
        share = (math.log10(value) - self.low) / (self.high - self.low)
        begin = self._begin
        return begin + share * (1 - begin)

    @property
    def _begin(self) -> float:
        return 0.0 if self.nought is None else SLOT

    def ticks(self) -> list[tuple[float, str]]:
        """Places and texts, ascending."""
        values = self._powers() if self.logarithmic else _steps(self.low, self.high)
        found = [(self.place(value), self.text(value)) for value in values]
        return found if self.nought is None else [(self.place(0), self.nought), *found]

    def _powers(self) -> list[float]:
        first, last = math.floor(self.low), math.ceil(self.high)
        for digits in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
            values = [d * 10.0**power for power in range(first, last + 1) for d in digits]
            inside = [v for v in values if self.low - 1e-9 <= math.log10(v) <= self.high + 1e-9]
            if len(inside) > 2:
                break
        if len(inside) < 2:  # less than a doubling
            inside = _steps(10.0**self.low, 10.0**self.high)
        return inside[:: -(-len(inside) // MOST_TICKS)]


def linear(values: Iterable[float], text: Callable[[float], str] = "{:g}".format) -> AxisScale:
    """An axis on which all of the values stand, with a little room at both ends."""
    values = list(values)
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = MARGIN * (high - low) or 0.5
    return AxisScale(low - room, high + room, text)


def logarithmic(
    values: Iterable[float], nought: str = "0", text: Callable[[float], str] = count
) -> AxisScale:
    """The same with logarithms; a place for 0 where one of the values is 0."""
    values = list(values)
    logs = [math.log10(value) for value in values if value > 0] or [0.0]
    room = 2 * MARGIN * (max(logs) - min(logs)) or 0.5
    begins = nought if min(values, default=1.0) <= 0 else None
    return AxisScale(min(logs) - room, max(logs) + room, text, True, begins)


def _steps(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, four to eight of them."""
    rough = (high - low) / MOST_TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough - 1e-12)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]

"""The costs that are x axes of figures."""

from collections.abc import Callable
from dataclasses import dataclass

from research.reporting.format import byte_size, seconds

INSTANT = 0.01  # seconds; shorter times are drawn at one position


@dataclass(frozen=True)
class CostAxis:
    """A cost that is the x axis of a figure.

    Attributes:
        name: name of the cost, see `ResultCell.cost`.
        label: label of the axis.
        least: smaller costs are drawn at the position of 0.
        zero_label: label of that position.
        text: formats a cost with its unit.
    """

    name: str
    label: str
    least: float
    zero_label: str
    text: Callable[[float], str]


PARAMETERS = CostAxis("trained_params", "trained parameters", 1, "0", "{:,.0f} parameters".format)
SECONDS = CostAxis(
    "train_seconds", "training seconds", INSTANT, f"<{INSTANT}", lambda s: f"{seconds(s)} seconds"
)
MODEL = CostAxis("model_bytes", "bytes of the whole model", 1, "0", byte_size)
ANSWER = CostAxis(
    "milliseconds",
    "milliseconds per answer",
    0.001,
    "<0.001",
    lambda ms: f"{seconds(ms)} milliseconds",
)

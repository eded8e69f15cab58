"""The figure of growth: a row of panels per quantity, a column per size that changes."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from research.reporting.figures.axes import linear
from research.reporting.figures.colors import BASELINE, LORA, SeriesStyle
from research.reporting.figures.figure import Axis, Figure, Panel, Point, Series
from research.reporting.figures.mpl import draw_figure
from research.studies.speed.growth.sizes import AXES, Size, sizes_along

OURS = SeriesStyle(1, "ours", "ours", LORA, 0)
PEFT = SeriesStyle(2, "PEFT", "PEFT", BASELINE, 1)


class Quantity(NamedTuple):
    """A row of panels.

    Attributes:
        label: Label of the y axis.
        fields: The field of a measured size that each side's line shows.
        factor: From the field's unit to that of the label.
    """

    label: str
    fields: Mapping[SeriesStyle, str]
    factor: float


QUANTITIES = (
    Quantity("seconds of a step", {OURS: "ours_ms", PEFT: "peft_ms"}, 1e-3),
    Quantity("peak memory, GB", {OURS: "ours_bytes", PEFT: "peft_bytes"}, 1e-9),
    Quantity("seconds of compilation", {OURS: "compile_seconds"}, 1.0),
)


def draw_growth(points: Mapping[Size, Mapping[str, Any]]) -> dict[str, bytes]:
    """The figure as files by name, growth.png and growth.pdf; {} if nothing is measured."""
    if not points:
        return {}
    default = Size()
    panels = tuple(
        _panel(points, quantity, axis, _fixed(default, axis))
        for quantity in QUANTITIES
        for axis in AXES
    )
    caption = "A step of LoRA r=8 on rows of 64 tokens, loss on the last token."
    figure = Figure("growth", "Growth", caption, panels, across=len(AXES))
    styles = {style.name: style for style in (OURS, PEFT)}
    return {f"growth.{form}": content for form, content in draw_figure(figure, styles).items()}


def _fixed(size: Size, axis: str) -> str:
    """`12 layers, 8 rows`: the values of the other fields."""
    names: dict[str, Callable[[int], str]] = {
        "layers": "{} layers".format,
        "width": "width {}".format,
        "rows": "{} rows".format,
    }
    fields = size._asdict()
    return ", ".join(form(fields[name]) for name, form in names.items() if name != axis)


def _panel(
    points: Mapping[Size, Mapping[str, Any]], quantity: Quantity, axis: str, title: str
) -> Panel:
    measured = [(size, points[size]) for size in sizes_along(axis) if size in points]
    series = tuple(
        Series(
            style,
            tuple(
                _point(getattr(size, axis), quantity.factor * point[field])
                for size, point in measured
            ),
            joined=True,
        )
        for style, field in quantity.fields.items()
    )
    heights = [point.y for line in series for point in line.points]
    x, y = linear(AXES[axis]), linear([0.0, *heights])
    return Panel(title, Axis(axis, x), Axis(quantity.label, y), series)


def _point(x: float, y: float) -> Point:
    return Point(x, y, y, y, f"{y:.3g}", ())

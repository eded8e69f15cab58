"""How an approach looks in every figure: the colour is that of its family, the marker its own.

The hues are about those of Okabe and Ito (2008), moved until any two families are far apart
(more than 20 in CIELAB) with normal vision and with the three kinds of colour blindness, as Machado
et al. (2009) simulate them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from research.records.schema import RunRecord
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid

NAMED = 10  # so many approaches are labelled by their names, more by their numbers
LONGEST = 30  # characters of a name that can stand beside a point


@dataclass(frozen=True)
class MethodFamily:
    """Approaches of one kind. light, dark: its colour on white and on dark paper."""

    name: str
    title: str
    light: str
    dark: str


PROMPTS = MethodFamily("prompts", "prompts", "#2f66c0", "#75adfb")
SOFT = MethodFamily("soft", "soft prompts, prefixes", "#03a45c", "#66f797")
LORA = MethodFamily("lora", "LoRA and its kin", "#a63200", "#e87e1b")
SMALL = MethodFamily("small", "adapters, scales, norms, biases", "#86006f", "#ee91c4")
LAYERS = MethodFamily("layers", "some layers, heads", "#aa8c00", "#f9d306")
FULL = MethodFamily("full", "full fine-tuning", "#151515", "#f2efe6")
SEVERAL = MethodFamily("several", "together, or in turn", "#3a10b0", "#796ff0")
OTHER = MethodFamily("other", "other methods", "#594d42", "#a17a3f")
BASELINE = MethodFamily("baseline", "without the model", "#888e94", "#818174")
FAMILIES = (PROMPTS, SOFT, LORA, SMALL, LAYERS, FULL, SEVERAL, OTHER, BASELINE)

BY_NAME = {family.name: family for family in FAMILIES}


@dataclass(frozen=True)
class SeriesStyle:
    """number: of the row in the table, from 1. tag: what labels it in figures. shape: which of the
    markers it has within its family.
    """

    number: int
    name: str
    tag: str
    family: MethodFamily
    shape: int


def series_styles(grid: Grid) -> dict[str, SeriesStyle]:
    """How each row of the grid looks."""
    families = {row: _family(grid, row) for row in grid.rows}
    short = len(grid.rows) <= NAMED and all(len(row) <= LONGEST for row in grid.rows)
    found: dict[str, SeriesStyle] = {}
    for number, row in enumerate(grid.rows, 1):
        shape = sum(look.family == families[row] for look in found.values())
        found[row] = SeriesStyle(number, row, row if short else str(number), families[row], shape)
    return found


def by_family(found: Mapping[str, SeriesStyle]) -> list[tuple[MethodFamily, list[SeriesStyle]]]:
    """The families that there are, each with its approaches in the order of the table."""
    members = [
        (family, [look for look in found.values() if look.family == family]) for family in FAMILIES
    ]
    return [(family, some) for family, some in members if some]


def _family(grid: Grid, row: str) -> MethodFamily:
    if row in grid.baselines:
        return BASELINE
    records = [
        record for key, cell in grid.cells.items() if key[0] == row for record in cell.records
    ]
    return family_of(records[0])


def family_of(record: RunRecord) -> MethodFamily:
    """The family of what a run's stages train; a head beside another method does not count."""
    names = distinct(name for stage in record.configuration.stages for name in stage.methods)
    names = [name for name in names if name != "head"] or names
    if not names:
        return PROMPTS
    if len(names) > 1:
        return SEVERAL
    from research.methods import METHODS

    return BY_NAME[METHODS[names[0]].family] if names[0] in METHODS else OTHER

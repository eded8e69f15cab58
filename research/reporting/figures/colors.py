"""The style of an approach in all figures: a colour by its family and a marker within it.

The hues are close to those of Okabe and Ito (2008), adjusted until any two families are far apart
(more than 20 in CIELAB) with normal vision and with the three kinds of colour blindness, as Machado
et al. (2009) simulate them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from research.records.schema import RunRecord
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid

MOST_NAMED = 10  # approaches that are labelled by name; more are labelled by number
LONGEST = 30  # characters of a name that fits beside a point


@dataclass(frozen=True)
class MethodFamily:
    """Approaches of one kind.

    Attributes:
        name: name in the style sheet.
        title: name in the key.
        light: colour on a light background.
        dark: colour on a dark background.
    """

    name: str
    title: str
    light: str
    dark: str


PROMPTS = MethodFamily("prompts", "prompts", "#2f66c0", "#75adfb")
SOFT = MethodFamily("soft", "soft prompts, prefixes", "#03a45c", "#66f797")
LORA = MethodFamily("lora", "LoRA and variants", "#a63200", "#e87e1b")
SMALL = MethodFamily("small", "adapters, scales, norms, biases", "#86006f", "#ee91c4")
LAYERS = MethodFamily("layers", "some layers, heads", "#aa8c00", "#f9d306")
FULL = MethodFamily("full", "full fine-tuning", "#151515", "#f2efe6")
SEVERAL = MethodFamily("several", "several methods", "#3a10b0", "#796ff0")
OTHER = MethodFamily("other", "other methods", "#594d42", "#a17a3f")
BASELINE = MethodFamily("baseline", "baselines without the model", "#888e94", "#818174")
FAMILIES = (PROMPTS, SOFT, LORA, SMALL, LAYERS, FULL, SEVERAL, OTHER, BASELINE)

BY_NAME = {family.name: family for family in FAMILIES}


@dataclass(frozen=True)
class SeriesStyle:
    """The style of one approach.

    Attributes:
        number: its row in the table, from 1.
        name: its name.
        tag: its label in figures: its name, or its number.
        family: its family, which gives the colour.
        shape: index of its marker within the family.
    """

    number: int
    name: str
    tag: str
    family: MethodFamily
    shape: int


Styles = Mapping[str, SeriesStyle]  # by row of the grid


def series_styles(grid: Grid) -> dict[str, SeriesStyle]:
    """The style of each row of the grid."""
    families = {row: _family(grid, row) for row in grid.rows}
    named = len(grid.rows) <= MOST_NAMED and all(len(row) <= LONGEST for row in grid.rows)
    styles: dict[str, SeriesStyle] = {}
    for number, row in enumerate(grid.rows, 1):
        shape = sum(style.family == families[row] for style in styles.values())
        styles[row] = SeriesStyle(number, row, row if named else str(number), families[row], shape)
    return styles


def by_family(styles: Styles) -> list[tuple[MethodFamily, list[SeriesStyle]]]:
    """The families that occur, each with its approaches in the order of the table."""
    members = [
        (family, [style for style in styles.values() if style.family == family])
        for family in FAMILIES
    ]
    return [(family, of_family) for family, of_family in members if of_family]


def _family(grid: Grid, row: str) -> MethodFamily:
    if row in grid.baselines:
        return BASELINE
    records = [
        record for key, cell in grid.cells.items() if key[0] == row for record in cell.records
    ]
    return family_of(records[0])


def family_of(record: RunRecord) -> MethodFamily:
    """The family of the methods that a run trains; a head beside another method does not count."""
    names = distinct(name for stage in record.configuration.stages for name in stage.methods)
    names = [name for name in names if name != "head"] or names
    if not names:
        return PROMPTS
    if len(names) > 1:
        return SEVERAL
    from research.methods import METHODS

    return BY_NAME[METHODS[names[0]].family] if names[0] in METHODS else OTHER

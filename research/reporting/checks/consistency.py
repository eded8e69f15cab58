"""Finds cells that were produced under different conditions than others of their column or row."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.grid.provenance import FACTS


def differing(grid: Grid) -> list[str]:
    """A sentence for each fact and column, and each fact and row, in which cells differ.

    The sentence names the cells that differ from the majority. Rows are reported only for cells
    that no column has named.
    """
    lines, named = [], set()
    for column in grid.columns:
        for fact, minority, line in _minorities(
            grid.tested_in(column), f"column {', '.join(column)}"
        ):
            named |= {(fact, cell.key) for cell in minority}
            lines.append(line)
    for row in grid.rows:
        for fact, minority, line in _minorities(grid.tested_of(row), f"row {row}"):
            if not {(fact, cell.key) for cell in minority} & named:
                lines.append(line)
    return lines


def _minorities(
    cells: Sequence[ResultCell], where: str
) -> Iterator[tuple[str, list[ResultCell], str]]:
    """(fact, cells that differ from the majority, sentence) for each fact that differs."""
    for fact, value in FACTS.items():
        groups: dict[str, list[ResultCell]] = defaultdict(list)
        for cell in cells:
            groups[value(cell)].append(cell)
        if len(groups) < 2:
            continue
        majority = max(groups, key=lambda text: len(groups[text]))
        others = {text: group for text, group in groups.items() if text != majority}
        differing = "; ".join(
            f"{', '.join('/'.join(cell.key) for cell in group)}: {text}"
            for text, group in others.items()
        )
        minority = [cell for group in others.values() for cell in group]
        sentence = f"{fact} differs in {where}, {len(groups[majority])} have {majority}"
        yield fact, minority, f"{sentence}: {differing}"

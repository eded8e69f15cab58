"""Cells that came about otherwise than those beside them: where a table compares unlike things."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from research.reporting.cells import Cell, Grid
from research.reporting.records import distinct
from research.sweeps.record import Record

MACHINE = ("processor", "device_kind", "device_count")


def _machine(run: Record) -> str:
    hardware = run.get("hardware") or {}
    return ", ".join(str(hardware.get(name)) for name in MACHINE)


def _state(run: Record) -> str:
    """Whether the code was that of a commit; of runs without git nothing is said."""
    return "uncommitted changes" if (run.get("git") or {}).get("dirty") else "committed code"


# What is the same for cells that can be compared, by the name of it.
FACTS: dict[str, Callable[[Cell], str]] = {
    "code version": lambda cell: _all(str(run["code_version"]) for run in cell.runs),
    # The first version was not noted.
    "metric version": lambda cell: _all(str(run.get("metric_version", 1)) for run in cell.runs),
    "code": lambda cell: _all(map(_state, cell.runs)),
    "hardware": lambda cell: _all(map(_machine, cell.runs)),
    "seeds": lambda cell: " ".join(map(str, cell.seeds)),
}


def differing(grid: Grid) -> list[str]:
    """A sentence for each fact and column, and each fact and row, in which cells differ.

    Named are those that differ from what most have; which is right is for the reader to say. A row
    is looked at only for what no column tells already.
    """
    lines, named = [], set()
    for column in grid.columns:
        cells = [cell for row in grid.rows if (cell := grid.cell(row, column))]
        for fact, odd, line in _odd(cells, f"column {', '.join(column)}"):
            named |= {(fact, cell.key) for cell in odd}
            lines.append(line)
    for row in grid.rows:
        cells = [cell for column in grid.columns if (cell := grid.cell(row, column))]
        for fact, odd, line in _odd(cells, f"row {row}"):
            if not {(fact, cell.key) for cell in odd} & named:
                lines.append(line)
    if grid.older:
        lines.append(f"code version: {grid.older} runs of older code stand in no cell")
    return lines


def _odd(cells: Sequence[Cell], where: str) -> Iterator[tuple[str, list[Cell], str]]:
    """(fact, the cells that are not as most are, the sentence)."""
    for fact, value in FACTS.items():
        groups: dict[str, list[Cell]] = defaultdict(list)
        for cell in cells:
            groups[value(cell)].append(cell)
        if len(groups) < 2:
            continue
        usual = max(groups, key=lambda text: len(groups[text]))
        others = {text: group for text, group in groups.items() if text != usual}
        told = "; ".join(
            f"{', '.join('/'.join(cell.key) for cell in group)}: {text}"
            for text, group in others.items()
        )
        odd = [cell for group in others.values() for cell in group]
        yield fact, odd, f"{fact} differs in {where}, {len(groups[usual])} have {usual}: {told}"


def _all(texts: Iterator[str]) -> str:
    return " and ".join(sorted(distinct(texts)))

"""Cost tables: cost of storage, inference and training of each approach, by task and regime."""

from research.experiments.prices import Prices
from research.reporting.grid.grid import Grid
from research.reporting.table import Table
from research.reporting.tables.column import column_table
from research.reporting.tables.cost_columns import BACKBONE, STORAGE, TRAINING, flops_ratio
from research.reporting.tables.money_columns import money_columns
from research.reporting.tables.seconds_columns import seconds_columns

# The formula leaves out attention scores, which cost as much as all kernels only in rows six times
# as long as the model is wide. A larger ratio indicates that something was counted differently.
MOST_RATIO = 2.0


def cost_tables(grid: Grid, prices: Prices) -> list[Table]:
    """Tables for each task and regime with tested runs: storage and inference, training, and where
    it was recorded, wall seconds by purpose.

    Notes are below the last table of each kind.
    """
    several = bool(grid.backbones)
    storage = (*(BACKBONE if several else ()), *STORAGE)
    charged = any(cell.cost("request_price") is not None for cell in grid.tested())
    training = (*TRAINING, *money_columns(prices, several, charged))
    kinds = [
        ("cost of storage and inference", storage, []),
        ("cost of training", training, _unlike_formula(grid)),
    ]
    if by_purpose := seconds_columns(grid):
        kinds.append(("wall seconds by purpose", by_purpose, []))
    tested = list(grid.by_column())
    tables = []
    for where in tested:
        for title, columns, others in kinds:
            notes = [*(column.note for column in columns if column.note), *others]
            column_notes = notes if where == tested[-1] else ()
            tables.append(column_table(grid, where, title, columns, column_notes))
    return tables


def _unlike_formula(grid: Grid) -> list[str]:
    """A note on the cells whose compiled FLOPs differ much from the formula."""
    ratios = {cell.key: ratio for cell in grid.tested() if (ratio := flops_ratio(cell))}
    differing = [
        f"{', '.join(key)} {ratio:.2f}"
        for key, ratio in ratios.items()
        if not 1 / MOST_RATIO <= ratio <= MOST_RATIO
    ]
    note = f"Compiled and analytic FLOPs differ by more than a factor of {MOST_RATIO:.0f}: "
    return [f"{note}{'; '.join(differing)}."] if differing else []

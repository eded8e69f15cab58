"""Simulates how often the statistics of the tables are right, on answers whose truth is known.

python scripts/simulate.py

Writes simulated.json and simulated.md into results/statistics/: the same numbers each time, in
about eight minutes on one core.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from research.common.errors import exit_on_input_error
from research.common.files import write_atomically
from research.runtime.process import prepare
from research.studies.coverage.report import ORDINARY, SettingResult, report
from research.studies.coverage.simulate import Population, coverage, groups

FOLDER = Path(__file__).parents[1] / "results" / "statistics"
ACCURACIES, ITEMS, SEEDS = (0.6, 0.8, 0.95), (100, 300, 1000), (2, 3, 5, 10)
OVER_SEEDS = (0.0, 0.01, 0.03, 0.06)
ROWS, SPREADS, GAPS = (6, 24), ((0.01,), (0.03,), (0.0, 0.01, 0.03)), (0.02, 0.05, 0.1)
TABLE = 4  # columns of a table
# Draws of intervals, fewer where no coverage is claimed; of columns; of other methods.
DRAWS, FEWER, COLUMNS, OTHERS = 6000, 2000, 1000, 500


@exit_on_input_error
def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code 0."""
    prepare()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.parse_args(arguments)
    results = {"intervals": list(intervals()), "columns": list(simulated_columns())}
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_atomically(FOLDER / "simulated.json", _json(results).encode())
    write_atomically(FOLDER / "simulated.md", report(results).encode())
    return 0


def intervals() -> Iterator[SettingResult]:
    """Results for each accuracy, spread over seeds, number of items and number of seeds."""
    for setting in itertools.product(ACCURACIES, OVER_SEEDS, ITEMS, SEEDS):
        yield of_intervals(*setting)


def of_intervals(accuracy: float, over_seeds: float, items: int, seeds: int) -> SettingResult:
    """A setting of `intervals` and its results."""
    ordinary = over_seeds <= ORDINARY
    draws, others = DRAWS if ordinary and seeds >= 5 else FEWER, OTHERS if ordinary else 0
    setting = {"accuracy": accuracy, "over_seeds": over_seeds, "items": items, "seeds": seeds}
    rates = coverage(Population(accuracy, over_seeds), seeds, items, draws, others)
    return {**setting, "draws": draws, "others": others, **rates}


def simulated_columns() -> Iterator[SettingResult]:
    """Results for columns of equal rows, tables of those, and columns with half the rows worse."""
    equal = itertools.product(ROWS, SEEDS[1:], SPREADS, (0.0,))
    tables = itertools.product(ROWS, SEEDS[2:3], SPREADS, (0.0,), (TABLE,))
    worse = itertools.product(ROWS, SEEDS[2:], SPREADS[:2], GAPS)
    yield from itertools.starmap(of_column, equal)
    yield from itertools.starmap(of_column, tables)
    yield from itertools.starmap(of_column, worse)


def of_column(
    rows: int, seeds: int, over_seeds: Sequence[float], worse_by: float, columns: int = 1
) -> SettingResult:
    """A setting of columns and its results.

    The rows take the spreads in turn; the second half of them is worse.
    """
    worlds = [
        Population(0.8 - worse_by * (row >= rows / 2), over_seeds[row % len(over_seeds)])
        for row in range(rows)
    ]
    draws, items = OTHERS if worse_by else COLUMNS, ITEMS[1]
    setting = {"rows": rows, "seeds": seeds, "over_seeds": over_seeds, "worse_by": worse_by}
    size = {"columns": columns, "items": items, "draws": draws, "others": OTHERS}
    return {**setting, **size, **groups(worlds, seeds, items, draws, OTHERS, columns)}


def _json(results: dict[str, list[SettingResult]]) -> str:
    """JSON with one line per setting."""
    parts = []
    for kind, rows in results.items():
        lines = ",\n".join(f"    {json.dumps(row)}" for row in rows)
        parts.append(f'  "{kind}": [\n{lines}\n  ]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    sys.exit(main())

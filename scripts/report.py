"""Rebuilds the tables and the page of a results folder from its runs, or checks them.

python scripts/report.py results/quickstart
python scripts/report.py results/quickstart --check
python scripts/report.py results/quickstart --pack
python scripts/report.py results/quickstart --against results/other
python scripts/report.py results/quickstart --advise --examples 100 --bytes 50000 --score 90
python scripts/report.py results/quickstart --figures
python scripts/report.py results/quickstart --price_per_hour 2.5 --price_per_example 0.1

Prices are kept in the folder, in prices.json: from then on the cost store says what rows cost.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import argparse
import sys
from pathlib import Path

from rich.console import Console

from research.common.config import resolved
from research.common.errors import InputError, exit_on_input_error
from research.experiments.prices import Prices, write_prices
from research.records.store import RunStore
from research.records.test_access import FILE, TestAccessLog
from research.reporting.advice.constraints import COSTS, Constraints, columns_for
from research.reporting.advice.recommend import advise
from research.reporting.advice.sentences import sentences
from research.reporting.advice.table import NOTES, advice_table
from research.reporting.build import check_tables, write_tables
from research.reporting.checks.consistency import differing
from research.reporting.checks.recompute import recompute_cells, recompute_runs
from research.reporting.figures.mpl import write_figures
from research.reporting.grid.grid import read_grid
from research.reporting.render.terminal import show
from research.reporting.tables.comparison import compare, comparison_table
from research.reporting.tables.criteria import criteria_tables
from research.reporting.tables.published import published_table, read_published
from research.runtime.process import prepare
from research.sweeps.folder_lock import folder_lock


@exit_on_input_error
def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 if `--check` finds a table that differs."""
    prepare()
    options = _parser().parse_args(arguments)
    folder = options.folder
    prices = Prices(options.price_per_hour, options.price_per_example)
    if options.check and prices.known:
        raise InputError("prices", resolved(prices), "--check takes those of prices.json")
    if TestAccessLog(folder).lost:
        what = "nothing but the runs tells which choices saw test"
        print(f"{folder / FILE} is not there: {what}", file=sys.stderr)
    if options.pack:
        return _pack(folder)
    if options.check:
        return _check(folder)
    if options.against:
        return _against(folder, options.against)
    if options.advise:
        return _advise(folder, options)
    if RunStore(folder).ids():
        write_prices(folder, prices)
    for layout in write_tables(folder):
        show(layout, Console())
    if options.figures:
        write_figures(folder)
    return 0


def _pack(folder: Path) -> int:
    """Moves records and predictions into one archive, while no sweep is running there."""
    store = RunStore(folder)
    if not store.ids():
        raise InputError("results", str(folder), "a folder with runs is expected")
    with folder_lock(folder):
        archive = store.pack()
    print(f"{archive} has {len(store.ids())} runs")
    return 0


def _check(folder: Path) -> int:
    """Recomputes every run and cell, compares the files, warns of cells unlike their neighbours."""
    runs = recompute_runs(folder)
    wrong = [f"damaged: {sentence}" for sentence in runs.damaged]
    if not wrong:
        grid = read_grid(folder)
        wrong = [f"not what its predictions give: {line}" for line in recompute_cells(grid)]
        wrong += [f"differs from its runs: {folder / name}" for name in check_tables(folder)]
        cells = len(grid.tested())
        print(f"recomputed {runs.runs} runs and {cells} cells from {runs.files} predictions")
        for line in differing(grid):
            print(f"warning: {line}", file=sys.stderr)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def _against(folder: Path, other: Path) -> int:
    """Beside another results folder, or the numbers of a paper."""
    grid = read_grid(folder)
    if other.suffix == ".json":
        show(published_table(grid, read_published(other)), Console())
    else:
        names = (str(folder), str(other))
        show(comparison_table(compare(grid, read_grid(other), names)), Console())
    return 0


def _advise(folder: Path, options: argparse.Namespace) -> int:
    grid, console = read_grid(folder), Console()
    constraints = _constraints(options)
    columns = columns_for(grid, constraints, options.task)
    for column in columns:
        advice = advise(grid, column, constraints)
        for sentence in sentences(advice):
            console.print(sentence, highlight=False, markup=False)
        show(advice_table(advice), console)
    for note in NOTES:
        console.print(note, style="dim", highlight=False, markup=False)
    for layout in criteria_tables(grid, {task for task, _ in columns}):
        show(layout, console)
    return 0


def _constraints(options: argparse.Namespace) -> Constraints:
    def share(percent: float | None) -> float | None:
        return None if percent is None else percent / 100

    return Constraints(
        examples=options.examples,
        stored_bytes=options.bytes,
        train_seconds=options.seconds,
        added_tokens=options.tokens,
        cache_bytes=options.cache_bytes,
        score=share(options.score),
        out_of_domain=share(options.out_of_domain),
        tasks=options.tasks,
        tolerance=options.tolerance / 100,
        prefer=tuple(options.prefer.split(",")),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("folder", type=Path, metavar="RESULTS", help="folder with runs/")
    add("--check", action="store_true", help="write nothing; name the files that differ")
    add("--pack", action="store_true", help="move runs/ and predictions/ into runs.tar.xz")
    add("--figures", action="store_true", help="write figures/ as well, PNG and PDF for print")
    add("--advise", action="store_true", help="write nothing; say which approach to take")
    add("--against", type=Path, help="another such folder, or a file of results/published/")
    for name, of in (("hour", "a device hour"), ("example", "a labelled example")):
        add(f"--price_per_{name}", type=float, help=f"of {of}, for costs.md")
    asked = parser.add_argument_group("what --advise is told; all of it may be left out")
    add = asked.add_argument
    add("--task", help="the task; default: all")
    add("--examples", type=int, help="labelled examples to train on")
    add("--bytes", type=float, help="most bytes stored per task")
    add("--seconds", type=float, help="most seconds to train")
    add("--tokens", type=float, help="most tokens added to each input")
    add("--cache_bytes", type=float, help="most bytes of keys and values of a request")
    add("--score", type=float, help="least score on test, in percent")
    add("--out_of_domain", type=float, help="least score out of domain, in percent")
    add("--tasks", type=int, default=1, help="how many such tasks share the backbone")
    add("--tolerance", type=float, default=1.0, help="points below the best that are as good")
    add(
        "--prefer",
        default=",".join(Constraints().prefer),
        help=f"what cheap means, the weightiest first; of {', '.join(COSTS)}",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

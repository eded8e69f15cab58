"""Rebuilds the tables and the page of a results folder from its runs, or checks them.

python scripts/report.py results/quickstart
python scripts/report.py results/quickstart --check
python scripts/report.py results/quickstart --pack
python scripts/report.py results/quickstart --against results/other
python scripts/report.py results/quickstart --advise --examples 100 --bytes 50000 --score 90
python scripts/report.py results/quickstart --figures
python scripts/report.py results/quickstart --price_per_hour 2.5 --price_per_example 0.1

Prices are stored in the folder, in prices.json; from then on the cost tables have costs in money.
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
from research.common.printable import printable
from research.experiments.prices import Prices, write_prices
from research.records.packing import pack
from research.records.store import RunStore
from research.records.test_access_log import FILE, TestAccessLog
from research.reporting.advice.columns import columns_for
from research.reporting.advice.constraints import ALL_COSTS, Constraints, default_preference
from research.reporting.advice.recommend import advise
from research.reporting.advice.sentences import sentences
from research.reporting.advice.table import NOTES, OF_BACKBONES, advice_table
from research.reporting.build import check_tables, write_tables
from research.reporting.checks.consistency import differing
from research.reporting.checks.files import damaged_files, unlogged_tests
from research.reporting.checks.recompute import recompute_cells, recompute_runs
from research.reporting.figures.mpl import write_figures
from research.reporting.format import counted
from research.reporting.grid.grid import Grid, read_grid
from research.reporting.render.latex import DEFAULT_LAYOUT
from research.reporting.render.terminal import show
from research.reporting.tables.comparison import compare, comparison_table
from research.reporting.tables.criteria import criteria_tables
from research.reporting.tables.published import published_table, read_published
from research.runtime.process import prepare
from research.sweeps.folder_lock import folder_lock


@exit_on_input_error
def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 if `--check` finds something wrong."""
    prepare()
    options = _parser().parse_args(arguments)
    folder = options.folder
    prices = Prices(options.price_per_hour, options.price_per_example)
    if options.check and prices.known:
        raise InputError("prices", resolved(prices), "--check uses those in prices.json")
    if TestAccessLog(folder).lost:
        consequence = "only the run records show which choices were evaluated on test"
        print(f"{folder / FILE} is missing: {consequence}", file=sys.stderr)
    if options.pack:
        return _pack(folder)
    if options.check:
        return _check(folder, options.latex_columns)
    if options.against:
        return _against(folder, options.against)
    if options.advise:
        return _advise(folder, options)
    if RunStore(folder).ids():
        write_prices(folder, prices)
    for table in write_tables(folder, options.latex_columns):
        show(table, Console())
    if options.figures:
        write_figures(folder)
    return 0


def _pack(folder: Path) -> int:
    """Moves records and predictions into one archive; no sweep may be running in the folder."""
    store = RunStore(folder)
    if not store.ids():
        raise InputError("results", str(folder), "a folder with runs is expected")
    with folder_lock(folder):
        archive = pack(store)
    print(f"{archive} holds {counted(len(store.ids()), 'run')}")
    return 0


def _check(folder: Path, latex_columns: int) -> int:
    """Recomputes every run and cell, compares the files with the tables built from the runs, and
    warns of cells produced under different conditions.
    """
    runs = recompute_runs(folder)
    damaged = [*runs.damaged, *damaged_files(folder)]
    problems = [f"damaged: {sentence}" for sentence in damaged]
    if not problems:
        grid = read_grid(folder)
        problems = [f"differs from its predictions: {line}" for line in recompute_cells(grid)]
        problems += unlogged_tests(folder)
        files = check_tables(folder, latex_columns)
        problems += [f"differs from its runs: {folder / name}" for name in files]
        recomputed = f"{counted(runs.runs, 'run')} and {counted(len(grid.tested()), 'cell')}"
        print(f"recomputed {recomputed} from {counted(runs.files, 'file')} of predictions")
        for line in differing(grid):
            print(printable(f"warning: {line}"), file=sys.stderr)
    for line in problems:
        print(printable(line), file=sys.stderr)
    return 1 if problems else 0


def _against(folder: Path, other: Path) -> int:
    """Compares with another results folder, or with published numbers."""
    grid = read_grid(folder)
    if other.suffix == ".json":
        show(published_table(grid, read_published(other)), Console())
    else:
        names = (str(folder), str(other))
        show(comparison_table(compare(grid, read_grid(other), names)), Console())
    return 0


def _advise(folder: Path, options: argparse.Namespace) -> int:
    """Recommends an approach for each task and regime."""
    grid, console = read_grid(folder), Console()
    constraints = _constraints(options, grid)
    columns = columns_for(grid, constraints, options.task)
    for column in columns:
        advice = advise(grid, column, constraints)
        for sentence in sentences(advice):
            console.print(printable(sentence), highlight=False, markup=False)
        show(advice_table(advice), console)
    for note in (*NOTES, *([OF_BACKBONES] if grid.backbones else [])):
        console.print(note, style="dim", highlight=False, markup=False)
    for table in criteria_tables(grid, {task for task, _ in columns}):
        show(table, console)
    return 0


def _constraints(options: argparse.Namespace, grid: Grid) -> Constraints:
    def fraction(percent: float | None) -> float | None:
        return None if percent is None else percent / 100

    return Constraints(
        examples=options.examples,
        stored_bytes=options.bytes,
        train_seconds=options.seconds,
        added_tokens=options.tokens,
        cache_bytes=options.cache_bytes,
        model_bytes=options.model_bytes,
        milliseconds=options.milliseconds,
        score=fraction(options.score),
        out_of_domain=fraction(options.out_of_domain),
        tasks=options.tasks,
        tolerance=options.tolerance / 100,
        prefer=(
            default_preference(grid) if options.prefer is None else tuple(options.prefer.split(","))
        ),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("folder", type=Path, metavar="RESULTS", help="results folder")
    add("--check", action="store_true", help="write nothing; recompute all and name what differs")
    add("--pack", action="store_true", help="move runs/ and predictions/ into runs.tar.xz")
    add("--figures", action="store_true", help="also write figures/, in PNG and PDF for print")
    add("--advise", action="store_true", help="write nothing; recommend an approach")
    add("--against", type=Path, help="another results folder, or a file of results/published/")
    add(
        "--latex_columns",
        type=int,
        default=DEFAULT_LAYOUT,
        help="columns of a two-column paper that tables in LaTeX span: 1 or 2 (default: 2); with "
        "2 they also fit into a one-column article",
    )
    for name, unit in (("hour", "a device hour"), ("example", "a labelled example")):
        add(f"--price_per_{name}", type=float, help=f"price of {unit}, for costs.md")
    constraints = parser.add_argument_group("constraints for --advise, all optional")
    add = constraints.add_argument
    add("--task", help="the task; default: all")
    add("--examples", type=int, help="labelled examples to train on")
    add("--bytes", type=float, help="most bytes stored per task")
    add("--seconds", type=float, help="most seconds to train")
    add("--tokens", type=float, help="most tokens added to each input")
    add("--cache_bytes", type=float, help="most bytes of keys and values per request")
    add("--model_bytes", type=float, help="most bytes of the whole model at inference")
    add("--milliseconds", type=float, help="most milliseconds to answer a test item")
    add("--score", type=float, help="lowest test score allowed, in percent")
    add("--out_of_domain", type=float, help="lowest score out of domain allowed, in percent")
    add("--tasks", type=int, default=1, help="number of such tasks that share the backbone")
    add("--tolerance", type=float, default=1.0, help="points below the best that do not matter")
    add(
        "--prefer",
        help=f"costs to keep low, the most important first; of {', '.join(ALL_COSTS)}",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Rebuilds the tables and the page of a results folder from its runs, or checks them.

python scripts/report.py --results results/quickstart
python scripts/report.py --results results/quickstart --check
python scripts/report.py --results results/quickstart --figures
python scripts/report.py --results results/quickstart --price_per_hour 2.5 --price_per_example 0.1

Prices are kept in the folder, in prices.json: from then on the cost ledger says what rows cost.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from research.errors import InputError, exit_on_input_error
from research.reporting.figures import write_figures
from research.reporting.tables import check_tables, write_tables
from research.reporting.terminal import show
from research.settings import resolved
from research.sweeps.looks import FILE, Looks
from research.sweeps.prices import Prices, write_prices


@exit_on_input_error
def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 if `--check` finds a table that differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, required=True, help="folder with runs/")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; name the files that differ"
    )
    parser.add_argument(
        "--figures", action="store_true", help="write figures/ as well, PNG and PDF for print"
    )
    for name, of in (("hour", "a device hour"), ("example", "a labelled example")):
        parser.add_argument(f"--price_per_{name}", type=float, help=f"of {of}, for costs.md")
    options = parser.parse_args(arguments)
    prices = Prices(options.price_per_hour, options.price_per_example)
    if options.check and prices.known:
        raise InputError("prices", resolved(prices), "--check takes those of prices.json")
    if Looks(options.results).lost:
        what = "nothing but the runs tells which choices saw test"
        print(f"{options.results / FILE} is not there: {what}", file=sys.stderr)
    if options.check:
        differing = check_tables(options.results)
        for name in differing:
            print(f"differs from its runs: {options.results / name}", file=sys.stderr)
        return 1 if differing else 0
    if (options.results / "runs").is_dir():
        write_prices(options.results, prices)
    for layout in write_tables(options.results):
        show(layout, Console())
    if options.figures:
        write_figures(options.results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

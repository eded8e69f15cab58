"""Rebuilds the tables of a results folder from its runs, or checks that they are what runs give.

python scripts/report.py --results results/quickstart
python scripts/report.py --results results/quickstart --check
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from research.errors import exit_on_input_error
from research.reporting.tables import check_tables, write_tables
from research.reporting.terminal import show
from research.sweeps.looks import FILE, Looks


@exit_on_input_error
def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 if `--check` finds a table that differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=Path, required=True, help="folder with runs/")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; name the files that differ"
    )
    options = parser.parse_args(arguments)
    if Looks(options.results).lost:
        what = "nothing but the runs tells which choices saw test"
        print(f"{options.results / FILE} is not there: {what}", file=sys.stderr)
    if options.check:
        differing = check_tables(options.results)
        for name in differing:
            print(f"differs from its runs: {options.results / name}", file=sys.stderr)
        return 1 if differing else 0
    for layout in write_tables(options.results):
        show(layout, Console())
    return 0


if __name__ == "__main__":
    sys.exit(main())

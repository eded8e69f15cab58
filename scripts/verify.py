"""Checks the contracts that any method on any model must keep.

python scripts/verify.py
python scripts/verify.py --backbone B --method '{"name": "lora", "rank": 4}'

Without --method it checks every registered method that fits the backbone, with its defaults.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from research.common.errors import exit_on_input_error
from research.runtime.process import prepare


@exit_on_input_error
def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, or 1 if a contract is broken."""
    prepare()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backbone", default="world-1m", help="folder or hub id")
    parser.add_argument("--method", help="as in a config, as JSON")
    options = parser.parse_args(arguments)
    from research.contracts.verify import verify  # here: --help needs no JAX

    return min(verify(options.backbone, options.method, Console()), 1)


if __name__ == "__main__":
    sys.exit(main())

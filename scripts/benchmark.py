"""Compares our speed with PyTorch and PEFT: `python scripts/benchmark.py --machine NAME`.

Requires `pip install -e '.[benchmark]'`. Both sides get the same weights and rows, run in separate
processes and alternate; their losses must agree. The cases are in research/studies/speed/cases.py.
Cases for a GPU run only on a GPU, the SST-2 case only where ADAPTLAB_SHARED holds the data. The
script writes benchmark.md and benchmark.json to results/benchmark/NAME after every case. A restart
skips the cases that are already measured. The benchmark takes about half an hour on two cores;
nothing else should run at the same time. Computations are float32 on a CPU, bfloat16 on a GPU.
"""

from research.common.interrupts import end_on_interrupt

if __name__ == "__main__":
    end_on_interrupt()  # while the rest is imported

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from research.common.errors import exit_on_input_error
from research.runtime.process import prepare


@exit_on_input_error
def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 if a case failed; the other cases are measured all the same."""
    prepare()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--machine", required=True, help="name of the results folder")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path("results/benchmark"),
        help="parent of the results folder",
    )
    parser.add_argument(
        "--case",
        action="append",
        help="measure only cases whose name contains this text; repeat it to set the order",
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each side")
    parser.add_argument(
        "--seconds", type=float, default=1.5, help="approximate duration of a round"
    )
    options = parser.parse_args(arguments)
    # Imported here because --help needs no JAX.
    from research.studies.speed.measure import BenchmarkOptions, measure_cases

    return measure_cases(
        BenchmarkOptions(
            machine=options.machine,
            results=options.results,
            cases=options.case or (),
            rounds=options.rounds,
            seconds=options.seconds,
        ),
        Console(),
    )


if __name__ == "__main__":
    raise SystemExit(main())

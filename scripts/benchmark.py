"""Compares our speed with PyTorch and PEFT: `python scripts/benchmark.py --machine NAME`.

Requires `pip install -e '.[benchmark]'`. Both sides get the same weights and rows, run in separate
processes and alternate; their losses must agree. The cases are in research/studies/speed/cases.py.
Cases for a GPU run only on a GPU, the SST-2 cases only where ADAPTLAB_SHARED holds the data. The
script writes benchmark.md and benchmark.json to results/benchmark/NAME after every case. A restart
skips the cases that are already measured. The benchmark takes about half an hour on two cores;
nothing else should run at the same time. Computations are float32 on a CPU, bfloat16 on a GPU.

--model FOLDER adds the cases of a real backbone. --large measures only the cases of large models,
on a GPU and in less than ten minutes; their programs are compiled several at a time before the
rounds. --growth measures step time, memory and compilation against layers, width and rows instead,
and draws them as one figure, growth.png and growth.pdf.
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
    parser.add_argument("--rounds", type=int, help="rounds of each side (7; with --large 3)")
    parser.add_argument(
        "--seconds",
        type=float,
        help="approximate duration of a round of one side (1.5; with --large 1)",
    )
    parser.add_argument("--model", help="folder or Hugging Face id of a backbone to measure too")
    parser.add_argument(
        "--minutes", type=float, help="start no case after this time (no limit; with --large 9)"
    )
    parser.add_argument("--large", action="store_true", help="measure large models, on a GPU")
    parser.add_argument(
        "--growth", action="store_true", help="measure growth with the model's size instead"
    )
    options = parser.parse_args(arguments)
    # Imported here because --help needs no JAX.
    from research.studies.speed.growth.measure import measure_growth
    from research.studies.speed.measure import measure_cases
    from research.studies.speed.selection import BenchmarkOptions, large_cases

    rounds, seconds, minutes = (3, 1.0, 9.0) if options.large else (7, 1.5, None)
    selected = BenchmarkOptions(
        machine=options.machine,
        results=options.results,
        cases=large_cases() if options.large else options.case or (),
        rounds=rounds if options.rounds is None else options.rounds,
        seconds=seconds if options.seconds is None else options.seconds,
        model=options.model,
        minutes=minutes if options.minutes is None else options.minutes,
    )
    return (measure_growth if options.growth else measure_cases)(selected, Console())


if __name__ == "__main__":
    raise SystemExit(main())

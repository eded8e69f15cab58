"""Compares our speed with PyTorch and PEFT: `python scripts/benchmark.py --machine NAME`.

Requires `pip install -e '.[benchmark]'`. Both sides get the same weights and rows, run in separate
processes and alternate; their losses must agree. The cases are in research/studies/speed/cases.py.
Cases for a GPU run only on a GPU, the SST-2 case only where ADAPTLAB_SHARED holds the data. The
script writes benchmark.md and benchmark.json to results/benchmark/NAME after every case. A restart
skips the cases that are already measured. The benchmark takes about half an hour on two cores;
nothing else should run at the same time. Computations are float32 on a CPU, bfloat16 on a GPU.
"""

import argparse
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from importlib import util
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from research.common.errors import InputError, choose_from, exit_on_input_error
from research.runs.costs.flops import rate
from research.runtime.process import prepare
from research.studies.speed.cases import (
    CASES,
    DTYPES,
    PEFT,
    STARTUP_CASES,
    WHOLE_PROCESS_CASES,
    Case,
    StartupCase,
    WholeProcessCase,
)
from research.studies.speed.head_to_head import head_to_head
from research.studies.speed.startup import startup_time
from research.studies.speed.table import machine, write_measurements
from research.studies.speed.whole_process import whole_process

REAL_DATA = "SST-2"  # part of the names of cases that need ADAPTLAB_SHARED
SIZES = {"cpu": 2048, "gpu": 8192}  # of the square matrices whose product gives the machine's rate


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
    _check(options)
    # The timed processes share the accelerator with this process.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    folder, console = options.results / options.machine, Console()
    stored = _stored(folder)
    measured = {
        "machine": machine(),
        "dtype": DTYPES[_device()],
        "matmul_gflops": stored.get("matmul_gflops") or _rate() / 1e9,
        "cases": stored.get("cases", []),
        "notes": stored.get("notes", []),
    }
    failed = 0
    for name, measure in _selected_cases(options):
        done = {case["name"] for case in measured["cases"]}
        if name in done:
            continue
        console.print(f"{name} ...")
        try:
            result = measure()
        except (RuntimeError, subprocess.CalledProcessError) as error:
            console.print(f"{name}: {error}", markup=False)
            failed += 1
            continue
        measured["cases"].append(_with_share(result, measured["matmul_gflops"]))
        write_measurements(folder, measured)
    if measured["cases"]:
        console.print((folder / "benchmark.md").read_text(encoding="utf-8"), markup=False)
    return min(failed, 1)


def _check(options: argparse.Namespace) -> None:
    """Raises InputError for options or missing packages that would fail later."""
    missing = [name for name in ("torch", "peft") if util.find_spec(name) is None]
    if missing:
        allowed = "pip install -e '.[benchmark]' brings torch and peft"
        raise InputError("packages", missing, allowed)
    if options.rounds < 1 or not 0 < options.seconds < 600:
        raise InputError(
            "--rounds, --seconds", (options.rounds, options.seconds), "numbers above 0"
        )
    if set(options.machine) & set("/\\") or options.machine in ("", ".", ".."):
        raise InputError("--machine", options.machine, "the name of a folder is expected")
    names = [case.name for case in (*CASES, *WHOLE_PROCESS_CASES, *STARTUP_CASES)]
    for part in options.case or ():
        if not any(part in name for name in names):
            raise InputError("--case", part, choose_from(names, part))


def _stored(folder: Path) -> dict[str, Any]:
    file = folder / "benchmark.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _selected_cases(options: argparse.Namespace) -> list[tuple[str, Any]]:
    """(name, function that measures it) of each selected case, in the order of `--case`."""
    parts = options.case or [""]
    cases = [
        (name, measure)
        for name, measure in _all_cases(options)
        if any(part in name for part in parts)
    ]
    return sorted(cases, key=lambda case: [part in case[0] for part in parts].index(True))


def _all_cases(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    for case in filter(_fits, CASES):
        yield case.name, lambda case=case: _measure_head_to_head(case, options)
    for case in WHOLE_PROCESS_CASES:
        yield case.name, lambda case=case: _measure_whole_process(case, options)
    for case in STARTUP_CASES:
        yield case.name, lambda case=case: _measure_startup(case)


def _device() -> str:
    return "gpu" if jax.default_backend() == "gpu" else "cpu"


def _rate() -> float:
    return rate(seconds=3.0, size=SIZES[_device()], dtype=DTYPES[_device()])


def _fits(case: Case) -> bool:
    return case.device in ("any", _device()) and (
        REAL_DATA not in case.name or "ADAPTLAB_SHARED" in os.environ
    )


def _measure_head_to_head(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    result = head_to_head(case, DTYPES[_device()], options.rounds, options.seconds)
    return {
        "name": case.name,
        "ours_ms": result.ours_ms,
        "peft_ms": result.other_ms,
        "ratio": result.ratio,
        "low": result.low,
        "high": result.high,
        "at_least": case.at_least if case.device == "gpu" or _device() == "cpu" else None,
        "other": " ".join(case.other),
        "compile_seconds": result.compile_seconds,
        "difference": result.difference,
        "ours_bytes": result.ours_bytes,
        "peft_bytes": result.other_bytes,
        "flops": result.flops,
        "profile": result.profile,
    }


def _measure_whole_process(case: WholeProcessCase, options: argparse.Namespace) -> dict[str, Any]:
    result = whole_process(case, rounds=min(3, options.rounds))
    return {
        "name": case.name,
        "ours_ms": 1e3 * result.ours_s,
        "peft_ms": 1e3 * result.other_s,
        "ratio": result.ratio,
        "low": result.low,
        "high": result.high,
        "at_least": case.at_least,
        "other": f"{PEFT} sweep",
    }


def _measure_startup(case: StartupCase) -> dict[str, Any]:
    result = startup_time(case, rounds=3)
    return {
        "name": case.name,
        "ours_ms": 1e3 * result.seconds,
        "peft_ms": None,
        "ratio": None,
        "low_ms": 1e3 * result.low,
        "high_ms": 1e3 * result.high,
        "at_least": None,
        "at_most_ms": 1e3 * case.at_most,
    }


def _with_share(case: dict[str, Any], gflops: float) -> dict[str, Any]:
    """Adds the share of the matrix product rate; None where FLOPs are unknown."""
    flops = case.get("flops")
    share = None if flops is None else flops / case["ours_ms"] * 1e3 / (gflops * 1e9)
    return {**case, "share_of_matmul_rate": share}


if __name__ == "__main__":
    raise SystemExit(main())

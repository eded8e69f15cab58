"""Measures the selected cases and writes them into the results folder, one after the other."""

import json
import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from research.common.errors import InputError
from research.runs.costs.flops import rate
from research.studies.speed.compile_ahead import compiled_ahead
from research.studies.speed.device import device, dtype
from research.studies.speed.head_to_head import CompiledCase
from research.studies.speed.selection import BenchmarkOptions, Measurable, selected_cases
from research.studies.speed.table import machine, write_measurements

COMPILED_AHEAD = (
    "Programs on a GPU were compiled before the rounds, several at a time; the column gives these "
    "seconds."
)
SIZES = {"cpu": 2048, "gpu": 8192}  # of the square matrices whose product gives the machine's rate


def measure_cases(options: BenchmarkOptions, console: Console) -> int:
    """Measures the cases that the results folder does not have yet.

    Returns the exit code: 1 if a case failed; the other cases are measured all the same.
    """
    options.check()
    # The timed processes share the accelerator with this process.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    folder = options.results / options.machine
    stored = _stored(folder)
    measured = {
        "machine": machine(),
        "dtype": dtype(),
        "matmul_gflops": stored.get("matmul_gflops") or _rate() / 1e9,
        "cases": stored.get("cases", []),
        "notes": stored.get("notes", []),
    }
    started, names = time.monotonic(), {case["name"] for case in measured["cases"]}
    missing = [case for case in selected_cases(options) if case.name not in names]
    failed, messages = 0, set[str]()
    with _compiled(missing, console) as compiled:
        if compiled and COMPILED_AHEAD not in measured["notes"]:
            measured["notes"].append(COMPILED_AHEAD)
        for name, measure, _ in missing:
            if options.minutes is not None and time.monotonic() - started > 60 * options.minutes:
                console.print(f"{name}: not measured, the {options.minutes:g} minutes are over")
                continue
            console.print(f"{name} ...")
            try:
                result = measure(compiled.get(name))
            except (InputError, RuntimeError, subprocess.CalledProcessError) as error:
                failed += 1
                if str(error) not in messages:  # all cases of a model may have the same
                    console.print(f"{name}: {error}", markup=False)
                messages.add(str(error))
                continue
            measured["cases"].append(_with_share(result, measured["matmul_gflops"]))
            write_measurements(folder, measured)
    if measured["cases"]:
        console.print((folder / "benchmark.md").read_text(encoding="utf-8"), markup=False)
    return min(failed, 1)


def _stored(folder: Path) -> dict[str, Any]:
    file = folder / "benchmark.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _compiled(
    cases: Sequence[Measurable], console: Console
) -> AbstractContextManager[dict[str, CompiledCase]]:
    """The compiled programs by name; empty on a CPU, where they compile when they are measured."""
    if device() == "cpu":
        return nullcontext({})
    return compiled_ahead([c.case for c in cases if c.case], dtype(), console)


def _rate() -> float:
    return rate(seconds=3.0, size=SIZES[device()], dtype=dtype())


def _with_share(case: dict[str, Any], gflops: float) -> dict[str, Any]:
    """Adds the share of the matrix product rate; None where FLOPs are unknown."""
    flops = case.get("flops")
    share = None if flops is None else flops / case["ours_ms"] * 1e3 / (gflops * 1e9)
    return {**case, "share_of_matmul_rate": share}

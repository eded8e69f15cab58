"""Measures the selected cases and writes them into the results folder, one after the other."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any

import jax
from rich.console import Console

from research.common.errors import InputError, choose_from
from research.runs.costs.flops import rate
from research.studies.speed.case import PEFT, Case, StartupCase, WholeProcessCase
from research.studies.speed.cases import CASES, DTYPES, STARTUP_CASES, WHOLE_PROCESS_CASES
from research.studies.speed.head_to_head import head_to_head
from research.studies.speed.startup import startup_time
from research.studies.speed.table import machine, write_measurements
from research.studies.speed.whole_process import whole_process

REAL_DATA = "SST-2"  # part of the names of cases that need ADAPTLAB_SHARED
SIZES = {"cpu": 2048, "gpu": 8192}  # of the square matrices whose product gives the machine's rate

Measure = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class BenchmarkOptions:
    """What is measured and how.

    Attributes:
        machine: Name of the results folder.
        results: Parent of the results folder.
        cases: Parts of the names of the cases to measure, in order; empty: all cases.
        rounds: Rounds of each side.
        seconds: Approximate duration of a round.
    """

    machine: str
    results: Path
    cases: Sequence[str]
    rounds: int
    seconds: float

    def check(self) -> None:
        """Raises InputError for options or missing packages that would fail later."""
        missing = [name for name in ("torch", "peft") if util.find_spec(name) is None]
        if missing:
            allowed = "pip install -e '.[benchmark]' brings torch and peft"
            raise InputError("packages", missing, allowed)
        if self.rounds < 1 or not 0 < self.seconds < 600:
            raise InputError("--rounds, --seconds", (self.rounds, self.seconds), "numbers above 0")
        if set(self.machine) & set("/\\") or self.machine in ("", ".", ".."):
            raise InputError("--machine", self.machine, "the name of a folder is expected")
        names = [case.name for case in (*CASES, *WHOLE_PROCESS_CASES, *STARTUP_CASES)]
        for part in self.cases:
            if not any(part in name for name in names):
                raise InputError("--case", part, choose_from(names, part))


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
        "dtype": DTYPES[_device()],
        "matmul_gflops": stored.get("matmul_gflops") or _rate() / 1e9,
        "cases": stored.get("cases", []),
        "notes": stored.get("notes", []),
    }
    failed = 0
    for name, measure in _selected_cases(options):
        if name in {case["name"] for case in measured["cases"]}:
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


def _stored(folder: Path) -> dict[str, Any]:
    file = folder / "benchmark.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _selected_cases(options: BenchmarkOptions) -> list[tuple[str, Measure]]:
    """(name, function that measures it) of each selected case, in the order of `--case`."""
    parts = options.cases or [""]
    cases = [
        (name, measure)
        for name, measure in _all_cases(options)
        if any(part in name for part in parts)
    ]
    return sorted(cases, key=lambda case: [part in case[0] for part in parts].index(True))


def _all_cases(options: BenchmarkOptions) -> Iterator[tuple[str, Measure]]:
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


def _measure_head_to_head(case: Case, options: BenchmarkOptions) -> dict[str, Any]:
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


def _measure_whole_process(case: WholeProcessCase, options: BenchmarkOptions) -> dict[str, Any]:
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

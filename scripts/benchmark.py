"""Times us beside PyTorch and PEFT: `python scripts/benchmark.py --machine NAME`.

Needs what `pip install -e '.[benchmark]'` installs. Both sides get the same weights and rows, each
in a process of its own, and take turns; losses have to agree first. Cases are in
research/benchmark/cases.py; those for a GPU run where there is one, that of SST-2 where
ADAPTLAB_SHARED leads to it. Writes benchmark.md and benchmark.json to results/benchmark/NAME after
every case, and goes on where it was cut: what is there already is not measured again. On two cores
it takes about half an hour; nothing else should run beside it. In float32 on a CPU, in bfloat16 on
a GPU.
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
from research.studies.speed.cases import CASES, DTYPES, RACES, STARTS, Case, StartupCase
from research.studies.speed.head_to_head import head_to_head
from research.studies.speed.startup import startup_time
from research.studies.speed.table import machine, write_measurements
from research.studies.speed.whole_process import whole_process

REAL = "SST-2"  # in the names of cases that need ADAPTLAB_SHARED
SIZES = {"cpu": 2048, "gpu": 8192}  # of the matrices whose product is the rate


@exit_on_input_error
def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 if a case could not be measured, which keeps none of the others."""
    prepare()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--machine", required=True, help="names the folder of results")
    parser.add_argument("--results", type=Path, default=Path("results/benchmark"))
    parser.add_argument(
        "--case",
        action="append",
        help="only cases in whose name this stands; several are measured in their order",
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=1.5, help="about how long a turn takes")
    options = parser.parse_args(arguments)
    _check(options)
    # The processes that are timed share an accelerator with this one.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    folder, console = options.results / options.machine, Console()
    stored = _stored(folder)
    measured = {
        "machine": machine(),
        "dtype": DTYPES[_here()],
        "matmul_gflops": stored.get("matmul_gflops") or _rate() / 1e9,
        "cases": stored.get("cases", []),
        "notes": stored.get("notes", []),
    }
    failed = 0
    for name, measure in _work(options):
        known = {case["name"] for case in measured["cases"]}
        if name in known:
            continue
        console.print(f"{name} ...")
        try:
            found = measure()
        except (RuntimeError, subprocess.CalledProcessError) as error:
            console.print(f"{name}: {error}", markup=False)
            failed += 1
            continue
        measured["cases"].append(_shared(found, measured["matmul_gflops"]))
        write_measurements(folder, measured)
    if measured["cases"]:
        console.print((folder / "benchmark.md").read_text(encoding="utf-8"), markup=False)
    return min(failed, 1)


def _check(options: argparse.Namespace) -> None:
    """Raises InputError for what would stop it later."""
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
    names = [case.name for case in (*CASES, *RACES, *STARTS)]
    for part in options.case or ():
        if not any(part in name for name in names):
            raise InputError("--case", part, choose_from(names, part))


def _stored(folder: Path) -> dict[str, Any]:
    file = folder / "benchmark.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _work(options: argparse.Namespace) -> list[tuple[str, Any]]:
    """(name, what measures it) of every case that is asked for and can be measured here, in order:
    time may end before all are.
    """
    parts = options.case or [""]
    found = [one for one in _every(options) if any(part in one[0] for part in parts)]
    return sorted(found, key=lambda one: [part in one[0] for part in parts].index(True))


def _every(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    for case in filter(_fits, CASES):
        yield case.name, lambda case=case: _duelled(case, options)
    for one in RACES:
        yield one.name, lambda one=one: _raced(one, options)
    for one in STARTS:
        yield one.name, lambda one=one: _started(one)


def _here() -> str:
    return "gpu" if jax.default_backend() == "gpu" else "cpu"


def _rate() -> float:
    return rate(seconds=3.0, size=SIZES[_here()], dtype=DTYPES[_here()])


def _fits(case: Case) -> bool:
    return case.device in ("any", _here()) and (
        REAL not in case.name or "ADAPTLAB_SHARED" in os.environ
    )


def _duelled(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    found = head_to_head(case, DTYPES[_here()], options.rounds, options.seconds)
    return {
        "name": case.name,
        "ours_ms": found.ours_ms,
        "peft_ms": found.other_ms,
        "ratio": found.ratio,
        "low": found.low,
        "high": found.high,
        "at_least": case.at_least if case.device == "gpu" or _here() == "cpu" else None,
        "other": " ".join(case.other),
        "compile_seconds": found.compile_seconds,
        "difference": found.difference,
        "ours_bytes": found.ours_bytes,
        "peft_bytes": found.other_bytes,
        "flops": found.flops,
        "profile": found.profile,
    }


def _raced(one: Any, options: argparse.Namespace) -> dict[str, Any]:
    found = whole_process(one, rounds=min(3, options.rounds))
    return {
        "name": one.name,
        "ours_ms": 1e3 * found.ours_s,
        "peft_ms": 1e3 * found.other_s,
        "ratio": found.ratio,
        "low": found.low,
        "high": found.high,
        "at_least": one.at_least,
        "other": "theirs sweep",
    }


def _started(one: StartupCase) -> dict[str, Any]:
    found = startup_time(one, rounds=3)
    return {
        "name": one.name,
        "ours_ms": 1e3 * found.seconds,
        "peft_ms": None,
        "ratio": None,
        "low_ms": 1e3 * found.low,
        "high_ms": 1e3 * found.high,
        "at_least": None,
        "at_most_ms": 1e3 * one.at_most,
    }


def _shared(case: dict[str, Any], gflops: float) -> dict[str, Any]:
    """With the share of the matrix rate, where operations are known."""
    flops = case.get("flops")
    share = None if flops is None else flops / case["ours_ms"] * 1e3 / (gflops * 1e9)
    return {**case, "share_of_matmul_rate": share}


if __name__ == "__main__":
    raise SystemExit(main())

"""Worker process that runs one side of a case; while it waits it uses no CPU time.

    python -m research.studies.speed.sides.worker SIDE WORKLOAD FOLDER DTYPE LEARNING_RATE

SIDE is a module of this folder: `our_side` or `peft_side`. The worker reads one line at a time from
standard input. For a number it runs that many steps and prints a `Measurement` as one line of JSON.
For `profile` it prints the share of time per kind of operation, or {} if the workload has none. For
`compile` it compiles the first step and prints the seconds. If the inputs cannot be used, it prints
{"error": reason} for the first line, and ends.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import NamedTuple

from research.common.errors import InputError
from research.runtime.memory import compute_in_caller
from research.runtime.process import prepare
from research.studies.speed.sides.workloads import Workloads


class Measurement(NamedTuple):
    """Times and results of the steps since the last line of input.

    Attributes:
        seconds: Time of each step.
        results: Result of each step, such as its loss.
        first: Seconds since the process started.
        compiled: Seconds of compilation so far.
        host_bytes: Peak memory of the process.
        device_bytes: Peak memory on the accelerator; None without one.
        flops: FLOPs of a step; None where they are unknown.
    """

    seconds: list[float]
    results: list[float]
    first: float
    compiled: float
    host_bytes: int
    device_bytes: int | None
    flops: float | None


def main(side: str, workload: str, folder: str, dtype: str, learning_rate: str) -> None:
    start = time.perf_counter()
    prepare()
    compute_in_caller()
    workloads: Workloads = importlib.import_module(f"research.studies.speed.sides.{side}").SIDE
    try:
        work = workloads.classes[workload](Path(folder), dtype, float(learning_rate))
    except InputError as error:
        sys.stdin.readline()
        print(json.dumps({"error": str(error)}), flush=True)
        raise SystemExit(2) from error
    for line in sys.stdin:
        if line == "profile\n":
            print(json.dumps(work.profile() if hasattr(work, "profile") else {}), flush=True)
            continue
        if line == "compile\n":
            work.compile() if hasattr(work, "compile") else work.step()
            print(json.dumps({"seconds": workloads.compile_seconds()}), flush=True)
            continue
        seconds, results = [], []
        for _ in range(int(line)):
            step_start = time.perf_counter()
            results.append(work.step())
            seconds.append(time.perf_counter() - step_start)
        answer = Measurement(
            seconds=seconds,
            results=results,
            first=time.perf_counter() - start,
            compiled=workloads.compile_seconds(),
            host_bytes=_peak_host_bytes(),
            device_bytes=workloads.device_peak_bytes(),
            flops=work.flops() if results else None,
        )
        print(json.dumps(answer._asdict()), flush=True)


def _peak_host_bytes() -> int:
    """Peak bytes of this process. On Linux ru_maxrss starts at the memory of the parent."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return 1024 * (peaks or [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss])[0]


if __name__ == "__main__":
    main(*sys.argv[1:])

"""One side of a case, in a process of its own: what waits costs the other side nothing.

    python -m research.studies.speed.worker SIDE WORK FOLDER DTYPE LEARNING_RATE

SIDE is `ours` or `theirs`. It reads numbers of steps, a line each, does as many, and answers each
time with a line of JSON; see `Answer`. To the line `profile` it answers where its time goes, by
kinds of operations, if the work can tell.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from research.runtime.process import prepare


class Measurement(NamedTuple):
    """seconds, results: of each step since the last answer. first: seconds from the start of the
    process. compiled: seconds of compiling so far. host_bytes, device_bytes: the most in use so
    far. flops: of a step, where they are known.
    """

    seconds: list[float]
    results: list[float]
    first: float
    compiled: float
    host_bytes: int
    device_bytes: int | None
    flops: float | None


def main(side: str, work: str, folder: str, dtype: str, learning_rate: str) -> None:
    begun = time.perf_counter()
    prepare()
    module: Any = importlib.import_module(f"research.studies.speed.{side}")
    doing = module.WORKS[work](Path(folder), dtype, float(learning_rate))
    for line in sys.stdin:
        if line == "profile\n":
            print(json.dumps(doing.profile() if hasattr(doing, "profile") else {}), flush=True)
            continue
        seconds, results = [], []
        for _ in range(int(line)):
            now = time.perf_counter()
            results.append(doing.step())
            seconds.append(time.perf_counter() - now)
        answer = Measurement(
            seconds,
            results,
            time.perf_counter() - begun,
            module.compiled_seconds(),
            _peak(),
            module.peak_bytes(),
            doing.flops() if results else None,
        )
        print(json.dumps(answer._asdict()), flush=True)


def _peak() -> int:
    """The most bytes of this process. Linux has in ru_maxrss what its parent held at its start."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    known = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    return 1024 * (known or [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss])[0]


if __name__ == "__main__":
    main(*sys.argv[1:])

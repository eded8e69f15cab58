"""Measures growth and draws it; sizes that are measured already are kept."""

import json
from typing import Any

from rich.console import Console

from research.common.files import write_atomically
from research.studies.speed.device import dtype
from research.studies.speed.growth.figure import draw_growth
from research.studies.speed.growth.sizes import Size, sizes
from research.studies.speed.head_to_head import head_to_head
from research.studies.speed.selection import BenchmarkOptions
from research.studies.speed.table import machine, write_measurements

FILE = "growth.json"


def measure_growth(options: BenchmarkOptions, console: Console) -> int:
    """Writes growth.json after every size, and the figure at the end.

    Returns the exit code: 1 if a size failed; the other sizes are measured all the same.
    """
    options.check()
    file = options.results / options.machine / FILE
    stored = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    points: dict[Size, dict[str, Any]] = {
        Size(*point["size"]): point for point in stored.get("points", [])
    }
    failed = 0
    file.parent.mkdir(parents=True, exist_ok=True)
    for size in sizes():
        if size in points:
            continue
        console.print(f"{size.case().name} ...")
        try:
            points[size] = _measure(size, options)
        except RuntimeError as error:
            console.print(f"{size.case().name}: {error}", markup=False)
            failed += 1
            continue
        content = {"machine": machine(), "dtype": dtype(), "points": list(points.values())}
        text = json.dumps(content, indent=1) + "\n"
        write_atomically(file, text.encode())
    for name, content in draw_growth(points).items():
        write_atomically(file.parent / name, content)
    benchmark = file.parent / "benchmark.json"
    if benchmark.is_file():  # its page shows the figure
        write_measurements(file.parent, json.loads(benchmark.read_text(encoding="utf-8")))
    return min(failed, 1)


def _measure(size: Size, options: BenchmarkOptions) -> dict[str, Any]:
    result = head_to_head(size.case(), dtype(), options.rounds, options.seconds)
    return {
        "size": list(size),
        "ours_ms": result.ours_ms,
        "peft_ms": result.other_ms,
        "ratio": result.ratio,
        "low": result.low,
        "high": result.high,
        "compile_seconds": result.compile_seconds,
        "ours_bytes": result.ours_bytes,
        "peft_bytes": result.other_bytes,
    }

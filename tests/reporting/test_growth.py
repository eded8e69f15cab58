"""The work of a report grows as its runs do, counted in function calls and not in seconds."""

import json
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import pytest

from research.common.hashing import record_checksum, run_id
from research.records.archive import read_archive
from research.reporting.build import build_tables

SOURCE = Path(__file__).parents[2] / "results/quickstart_reference"
TASK = "novel"
MANY = 2000  # calls; fewer take no time
MOST = 8  # times the calls for 5 times the runs; with the square of the runs they are 25


def copied(folder: Path, copies: int) -> Path:
    """A results folder with the runs of a committed task under several names."""
    files = read_archive(SOURCE)
    for name in ("runs", "predictions"):
        (folder / name).mkdir(parents=True)
    for content in (json.loads(files[name]) for name in files if name.startswith("runs/")):
        if content["task"] != TASK:
            continue
        for copy in range(copies):
            write_copy(folder, content, f"{TASK} {copy}")
    return folder


def write_copy(folder: Path, content: dict, task: str) -> None:
    """Writes the record and the predictions of a run as those of another task."""
    files, old = read_archive(SOURCE), content["run_id"]
    settings = {**content["settings"], "task": {**content["settings"]["task"], "name": task}}
    record = {**content, "task": task, "settings": settings, "run_id": run_id(settings)}
    record["checksum"] = record_checksum(record)
    (folder / f"runs/{record['run_id']}.json").write_text(json.dumps(record))
    for name in files:
        if name.startswith(f"predictions/{old}."):
            copy = name.replace(old, record["run_id"])
            (folder / copy).write_bytes(files[name])


def calls_of(folder: Path) -> Counter[str]:
    """How often a report calls each function of the package."""
    calls = Counter[str]()

    def count(frame: FrameType, event: str, argument: object) -> None:
        del argument
        if event == "call" and "research" in (name := frame.f_code.co_filename):
            calls[f"{Path(name).stem}.{frame.f_code.co_qualname}"] += 1

    sys.setprofile(count)
    try:
        build_tables(folder)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.thorough
def test_no_function_is_called_more_often_than_runs_ask_for(tmp_path):
    warm, small, large = (copied(tmp_path / str(copies), copies) for copies in (1, 2, 10))
    calls_of(warm)  # imports and caches
    few, many = calls_of(small), calls_of(large)
    growing = {name: (few[name], count) for name, count in many.items() if count > MANY}
    assert growing and not {n: pair for n, pair in growing.items() if pair[1] > MOST * pair[0]}

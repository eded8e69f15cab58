"""Reads the files of a results folder, for comparison."""

from pathlib import Path
from typing import Any

from research.records.schema import RunRecord
from research.records.store import RunStore

# Costs that no two sweeps have alike.
MEASURED = (
    "train_seconds",
    "evaluation_seconds",
    "test_seconds",
    "switch_seconds",
    "sweep_seconds",
    "compile_seconds",
    "compile_cache_hits",
    "seconds_by_purpose",
)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a results folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def results(folder: Path) -> dict[str, Any]:
    """What must be the same however often a sweep was interrupted, by run id."""
    found = {}
    for record in RunStore(folder).all():
        content = record.to_json()
        kept = {k: v for k, v in content.items() if k not in ("created", "provenance")}
        costs = {k: v for k, v in content["costs"].items() if k not in MEASURED}
        lines = (folder / "metrics" / f"{record.run_id}.jsonl").read_text()
        found[record.run_id] = {**kept, "costs": costs, "lines": lines}
    return found


def by_row(folder: Path) -> dict[str, list[RunRecord]]:
    rows: dict[str, list[RunRecord]] = {}
    for record in RunStore(folder).all():
        rows.setdefault(record.approach, []).append(record)
    return rows

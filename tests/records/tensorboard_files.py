"""Reads what a run wrote for TensorBoard."""

from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from research.records.schema import RunRecord
from research.records.tensorboard_log import TAGS


def read_by_tensorboard(folder: Path, record: RunRecord) -> dict[str, list[Any]]:
    """(step, value) of each scalar of a run, by TensorBoard's own reader."""
    [file] = (folder / "tensorboard").rglob(f"*{record.run_id}/events*")
    events = EventAccumulator(str(file.parent)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def expected_scalars(record: RunRecord) -> dict[str, list[Any]]:
    """What TensorBoard should read, by the record; its numbers are float32."""
    found: dict[str, list[Any]] = {}
    begun = 0
    for history in record.history:
        for step, *values in history:
            for tag, value in zip(TAGS, values, strict=True):
                if value is not None:
                    found.setdefault(tag, []).append((begun + step, float(np.float32(value))))
        begun += history[-1][0] if history else 0
    for split, metrics in record.metrics.items():
        for name, value in metrics.items():
            if value is not None:
                found[f"end/{split}/{name}"] = [(begun, float(np.float32(value)))]
    return found

"""What a run record is: its id, its fields, and the checks that its content is what it was.

A run's id is the hash of the settings that make it, so a finished run is found by what it is.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from research.common.errors import InputError
from research.common.json_io import parse_json
from research.records.predictions import (
    NumberPredictions,
    Predictions,
    TextPredictions,
    parse_numbers,
    parse_predictions,
    parse_texts,
)
from research.tasks.metrics.regression import NUMBER_METRICS

Record = dict[str, Any]
Kept = Predictions | TextPredictions | NumberPredictions  # of the answers to a split

# What every reader relies on; a JSON file without these is not a run record.
FIELDS: dict[str, type | tuple[type, ...]] = {
    "run_id": str,
    "settings": dict,
    "configuration": dict,
    "approach": str,
    "task": str,
    "regime": str,
    "n_train": int,
    "trial": dict,
    "seed": int,
    "metric": str,
    "labels": list,
    "status": str,
    "metrics": dict,
    "costs": dict,
    "notes": dict,
    "data": dict,
    "backbone": (dict, type(None)),
    "code_version": int,
    "predictions": (dict, type(None)),
}
STATUSES = ("finished", "diverged")
TOLERANCE = 1e-6  # metrics may have been computed in float32
WRONG_CONTENT = "a run record whose id is right and whose content is not"


def parse_record(path: Path) -> Record:
    """The JSON object in a file, unchecked; InputError if there is none."""
    try:
        record = parse_json(path.read_bytes(), parse_constant=_refuse)
    except (OSError, ValueError) as error:
        raise InputError(str(path), str(error), "a run record in JSON is expected") from error
    if not isinstance(record, dict):
        raise InputError(str(path), record, "a run record is a JSON object")
    return record


def check_form(record: Record, path: Path) -> None:
    """Every field that readers rely on is there, with its type."""
    for field, kind in FIELDS.items():
        if field not in record:
            raise InputError(f"{path}: {field}", None, "a run record has this field")
        if not isinstance(record[field], kind):
            raise InputError(
                f"{path}: {field}", record[field], "not the type a run record has here"
            )
    if record["status"] not in STATUSES:
        raise InputError(f"{path}: status", record["status"], f"allowed are {', '.join(STATUSES)}")
    for split, metrics in record["metrics"].items():
        if not isinstance(metrics, dict | None):
            raise InputError(f"{path}: metrics.{split}", metrics, "metrics by name, or null")
    scored = {s for s, of in record["metrics"].items() if of is not None} - {"train", "dev"}
    if scored != set(splits(record)):
        differing = " and ".join(f"metrics.{s}" for s in sorted(scored ^ set(splits(record))))
        allowed = f"predictions and {differing} come together"
        raise InputError(f"{path}: predictions", record["predictions"], allowed)


def splits(record: Record) -> dict[str, dict[str, Any]]:
    """The file and the digest of the predictions on each split that the run was tested on."""
    reference = record["predictions"]
    return {} if reference is None else {"test": reference, **reference.get("others", {})}


def prediction_file(id: str, split: str) -> str:
    """The name of the file that keeps a run's predictions on a split, within the results folder."""
    return f"predictions/{id}.csv" if split == "test" else f"predictions/{id}.{split}.csv"


def check_metrics(record: Record, content: bytes, path: Path, split: str = "test") -> Kept:
    """The stored metrics of a split are those of the stored predictions."""
    field = str(path.parent.parent / prediction_file(record["run_id"], split))
    stored, predictions = record["metrics"][split], _parsed(record, content, field)
    recomputed = predictions.metrics()
    for name in sorted({record["metric"]} | (recomputed.keys() & stored.keys())):
        value, expected = stored.get(name), recomputed.get(name)
        if expected is None:
            raise InputError(f"{path}: metric", name, f"allowed are {', '.join(recomputed)}")
        if not isinstance(value, float | int) or not abs(value - expected) <= TOLERANCE:
            raise InputError(
                f"{path}: metrics.{split}.{name}",
                value,
                f"{WRONG_CONTENT}: its predictions give {expected:.6f}",
            )
    return predictions


def prediction_class(kind: str) -> type[Kept]:
    """The class of stored predictions for an answer kind: label, text or number."""
    return {"label": Predictions, "text": TextPredictions, "number": NumberPredictions}[kind]


def _parsed(record: Record, content: bytes, field: str) -> Kept:
    """The predictions in a file, of the kind that the record's task asks for."""
    if record["labels"]:
        return parse_predictions(content, record["labels"], field)
    numbers = record["metric"] in NUMBER_METRICS
    return parse_numbers(content, field) if numbers else parse_texts(content, field)


def to_json(value: Any) -> Any:
    """JSON data: numpy scalars as numbers, tuples as lists, what is not finite as None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")

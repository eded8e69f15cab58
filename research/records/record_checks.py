"""Checks of a run record against its predictions and against the record stored before."""

from pathlib import Path

from research.common.errors import InputError
from research.records.predictions.kinds import AnyPredictions, parse_answers
from research.records.schema import UNTESTED, RunRecord, prediction_file

TOLERANCE = 1e-6  # metrics may have been computed in float32
WRONG_CONTENT = "the content of the run record was changed"


def check_metrics(record: RunRecord, content: bytes, path: Path, split: str) -> AnyPredictions:
    """The predictions in `content`; raises InputError unless they give the stored metrics."""
    file = str(path.parent.parent / prediction_file(record.run_id, split))
    predictions = parse_answers(content, record.labels, record.metric, file)
    stored, recomputed = record.metrics[split], predictions.metrics()
    for name in sorted({record.metric} | (recomputed.keys() & stored.keys())):
        value, expected = stored.get(name), recomputed.get(name)
        if expected is None:
            raise InputError(f"{path}: metric", name, f"allowed are {', '.join(recomputed)}")
        if value is None or not abs(value - expected) <= TOLERANCE:
            allowed = f"{WRONG_CONTENT}: its predictions give {expected:.6f}"
            raise InputError(f"{path}: metrics.{split}.{name}", value, allowed)
    return predictions


def check_splits(record: RunRecord, path: Path) -> None:
    """Raises InputError unless the splits with test metrics are those with predictions."""
    differing = (record.metrics.keys() - set(UNTESTED)) ^ record.predictions.keys()
    if differing:
        names = " and ".join(f"metrics.{split}" for split in sorted(differing))
        allowed = f"predictions and {names} come together"
        raise InputError(f"{path}: predictions", dict(record.predictions), allowed)


def check_addition(old: RunRecord, new: RunRecord, path: Path) -> None:
    """Raises InputError unless `new` adds the test result to the stored run."""
    if old.tested:
        raise InputError(str(path), old.run_id, "the run is stored with its test score already")
    if not new.tested:
        raise InputError(str(path), old.run_id, "the run is stored already")
    if old.metrics.get("dev") != new.metrics.get("dev"):
        allowed = f"the stored training of this run has {old.metrics.get('dev')}"
        raise InputError(f"{path}: metrics.dev", new.metrics.get("dev"), allowed)

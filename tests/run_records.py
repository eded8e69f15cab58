"""Records of runs that were never made, for tests of what reads records."""

from dataclasses import replace
from typing import Any

from research.common.hashing import run_id
from research.experiments.seeds import Seeds
from research.records.configuration import Configuration, Hardware, Order, Provenance
from research.records.costs import Costs
from research.records.measurements import BackboneReference, DataChecksums, Notes
from research.records.schema import RunRecord

CONFIGURATION = Configuration(
    name="demo",
    backbone="org/tiny",
    seeds=1,
    search_seeds=1,
    max_dev=128,
    too_long="error",
    precision="float32",
    max_tokens=None,
    held_out=None,
    devices={},
    task={},
    approach={},
    trials=({},),
    order=Order(0, 0, 0),
)
HARDWARE = Hardware("Linux", "a processor", 2, 2**30, "cpu", 1)
PROVENANCE = Provenance({"jax": "0.10.2"}, None, HARDWARE)
SCHEDULE = {"steps": 4, "batch_size": 2}


def make_record(seed: int = 0, **changes: Any) -> RunRecord:
    """A finished run that was not evaluated on test."""
    settings = changes.pop("settings", {"approach": {"name": "LoRA"}, "seed": seed})
    record = RunRecord(
        run_id=run_id(settings),
        approach="LoRA",
        task="sentiment",
        regime="16-shot",
        n_train=32,
        trial={"learning_rate": 0.001},
        seeds=Seeds.alike(seed),
        metric="accuracy",
        labels=("negative", "positive"),
        status="finished",
        metrics={"dev": {"accuracy": 0.5, "loss": 1.0}},
        costs=Costs(trained_params=0, stored_bytes=0, added_tokens=0, train_seconds=1.0),
        notes=Notes(n_dev=32),
        data=DataChecksums("task", "split"),
        backbone=BackboneReference("org/tiny", "abc"),
        settings=settings,
        configuration=CONFIGURATION,
        code_version=1,
        metric_version=1,
        provenance=PROVENANCE,
        created="2026-01-01T00:00:00+00:00",
    )
    return replace(record, **changes)


def stage(method: str, **changes: Any) -> dict[str, Any]:
    """The configuration of a stage."""
    return {"method": {"name": method}, "schedule": SCHEDULE, **changes}

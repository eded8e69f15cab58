"""A sweep whose layers run as scans has the runs and the scores of one without."""

from pathlib import Path
from typing import Any

import pytest

from research.experiments.experiment import Experiment
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.sweeps.dry_run.dry_run import plan_only
from tests.films import run, write_backbone


def records(folder: Path) -> dict[str, RunRecord]:
    return {record.run_id: record for record in RunStore(folder).all() if record.backbone}


@pytest.mark.thorough
def test_scores_are_those_of_layers_one_by_one(config: dict[str, Any], tmp_path: Path):
    """The setting is no part of a run's id, and FLOPs are those of all layers."""
    write_backbone(tmp_path / "backbone", layers=4)
    lora = {**config["approaches"][2], "trials": [{"learning_rate": 0.01}]}
    config |= {"backbone": str(tmp_path / "backbone"), "approaches": [lora]}
    config |= {"seeds": 1, "search_seeds": 1, "workers": 1}
    scan = config | {"devices": {"count": 1, "layers": "scan"}}
    assert [row.runs for row in plan_only(Experiment.parse(scan), tmp_path / "scan").rows]
    expected, actual = (
        records(run(each, tmp_path / name)) for each, name in ((config, "unrolled"), (scan, "scan"))
    )
    assert actual.keys() == expected.keys() and actual
    for run_id, record in actual.items():
        assert record.configuration.devices["layers"] == "scan"
        for split, metrics in record.metrics.items():
            assert metrics == pytest.approx(expected[run_id].metrics[split], rel=1e-4), split
        plain = expected[run_id].costs
        assert record.costs.step_flops == pytest.approx(plain.step_flops, rel=0.05)

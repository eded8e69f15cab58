"""A sweep with kept hidden states has the scores of one without."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from research.evaluation.trunk import row_states
from research.evaluation.trunk.trunk import Trunk
from research.records.store import RunStore
from research.runs import context
from tests.films import run


def scores(folder: Path) -> dict[str, Any]:
    return {record.run_id: record.metrics for record in RunStore(folder).all()}


@pytest.fixture
def upper(config: dict[str, Any]) -> dict[str, Any]:
    """The MLP trains above the attention of the one layer."""
    rates = [{"learning_rate": rate} for rate in (0.01, 0.1)]
    method = {"name": "selected", "leaves": ("mlp/.*", "final_norm/.*")}
    return config | {
        "approaches": [{"name": "MLP", "stages": [{"method": method}], "trials": rates}],
        "schedule": {"steps": 8, "batch_size": 4, "eval_every": 2},
    }


def test_scores_are_those_of_the_plain_way(
    upper: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    batches = []
    batch = row_states.RowStates.batch
    monkeypatch.setattr(
        row_states.RowStates, "batch", lambda *args: batches.append(args) or batch(*args)
    )
    small = partial(Trunk, least_flops=0.0, least_share=0.0)
    monkeypatch.setattr(context, "Trunk", small)
    kept = run(upper, tmp_path / "kept")
    assert batches
    assert not (kept / "trunk").exists()
    records = RunStore(kept).all()
    trained = [record for record in records if record.approach == "MLP"]
    assert all(record.costs.trunk_seconds > 0 for record in trained)
    assert all(record.costs.trunk_flops > 0 for record in trained)
    count = len(batches)
    devices = {**upper["devices"], "trunk_gib": 0.0}
    plain = run(upper | {"devices": devices}, tmp_path / "plain")
    assert len(batches) == count
    expected = scores(plain)
    assert scores(kept).keys() == expected.keys()
    for run_id, metrics in scores(kept).items():
        for split, scored in metrics.items():
            assert scored == pytest.approx(expected[run_id][split], rel=1e-4), (run_id, split)

"""Adapters of runs: frozen leaves are stored, or drawn again."""

import jax
import numpy as np
import pytest

from research.methods.shared.leaves import flat
from research.models.backbone import load_backbone
from research.records.store import RunStore
from research.records.weights import load_trained
from research.serving.adapter_sources import from_run
from tests import films

STORED = {"lora_fa": {"a", "b"}, "vera": {"d", "b"}}


@pytest.mark.thorough
def test_frozen_leaves_of_a_run_come_back(tmp_path):
    """What the record counts as stored is what the file holds; the adapter is whole again."""
    config = films.settings(films.write_inputs(tmp_path))
    config |= {"seeds": 1, "search_seeds": 1, "keep_trained": True}
    config["approaches"] = [
        {
            "name": name,
            "stages": [{"method": {"name": name, "rank": 2}, "learning_rate": 0.1}],
            "trials": [{}],
        }
        for name in STORED
    ]
    results = films.run(config, tmp_path / "results")
    backbone = load_backbone(config["backbone"])
    records = {record.approach: record for record in RunStore(results).all()}
    for name, names in STORED.items():
        record = records[name]
        stored = load_trained(results, record.run_id)
        assert {path.rpartition("/")[2] for path in stored} == names
        assert record.costs.stored_bytes == 4 * sum(leaf.size for leaf in stored.values())
        trained = {p: x for p, x in stored.items() if name == "vera" or p.endswith("/b")}
        assert record.costs.trained_params == sum(leaf.size for leaf in trained.values())
        methods, leaves = from_run(str(results), record.run_id, backbone)
        again = flat(methods[0], methods[0].redrawn(backbone.params))
        assert leaves.keys() == stored.keys() | again.keys()
        for path, leaf in again.items():
            np.testing.assert_array_equal(np.asarray(leaves[path]), jax.device_get(leaf))

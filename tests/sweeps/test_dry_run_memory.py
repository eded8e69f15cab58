"""Memory of a plan: hidden states of texts count where a method trains upper layers alone."""

from pathlib import Path
from typing import Any

import pytest

from research.experiments.experiment import Experiment
from research.sweeps.dry_run.dry_run import DryRun, plan_only
from tests import checkpoints

GIB = 2**30
# 12 layers of 1M parameters: a trunk is kept from 5M on.
DEEP = checkpoints.LLAMA | {
    "hidden_size": 256,
    "intermediate_size": 1024,
    "num_hidden_layers": 12,
    "max_position_embeddings": 256,
}
UPPER = {"name": "upper", "stages": [{"method": {"name": "last_layers", "last": 2}}]}
FAR = {
    "source": "file",
    "path": "no/far",
    "name": "far",
    "train": "train",
    "test": "test",
    "templates": ("{text} It was",),
    "verbalizer": {"0": "bad", "1": "good"},
}
FULL = {"name": "full", "stages": [{"method": {"name": "full"}}]}
FAR_AWAY = {"backbone": "no/such-model", "architecture": DEEP, "task": FAR}


def planned(config: dict[str, Any], *rows: dict[str, Any], trunk_gib: float = 1.0) -> DryRun:
    devices = {"count": 1, "trunk_gib": trunk_gib}
    config = config | FAR_AWAY | {"approaches": list(rows), "devices": devices, "workers": 2}
    return plan_only(Experiment.parse(config), Path("nowhere"))


def test_states_are_part_of_the_memory_of_each_process_and_of_the_disk(config: dict):
    plain, kept = planned(config, UPPER, trunk_gib=0.0), planned(config, UPPER)
    # The target of each text is among its 128 tokens; the other label and two positions are not.
    # Three seeds with 8 examples to train on, which are scored too, and 8 of dev; 1,000 of test.
    of_disk = (3 * 3 * 8 + 1000) * (128 + 4 + 2) * 256 * 4
    assert plain.states == 0
    assert kept.disk - plain.disk == of_disk
    assert kept.memory - plain.memory == kept.states == 2 * of_disk
    small = planned(config, UPPER, trunk_gib=0.01)
    assert small.disk == kept.disk
    assert small.states == pytest.approx(2 * 0.01 * GIB, abs=2)


def test_states_of_several_regimes_have_those_of_test_once(config: dict):
    one, both = (
        planned(config | {"regimes": regimes}, UPPER) for regimes in (("4-shot",), ("4-shot", 16))
    )
    more = 3 * 3 * 16 * (128 + 4 + 2) * 256 * 4
    assert both.states - one.states == 2 * more


def test_methods_of_all_layers_keep_no_states(config: dict):
    plain, kept = planned(config, FULL, trunk_gib=0.0), planned(config, FULL)
    assert (kept.memory, kept.states) == (plain.memory, 0)
    # Both in one sweep: each process keeps the states while it trains all layers.
    both = planned(config, FULL, UPPER)
    assert both.memory == kept.memory + both.states


def test_fewer_workers_where_states_take_the_memory(config: dict, monkeypatch: pytest.MonkeyPatch):
    def workers(trunk_gib: float) -> int:
        devices = {"count": 1, "trunk_gib": trunk_gib}
        experiment = config | FAR_AWAY | {"approaches": [UPPER], "devices": devices}
        return plan_only(Experiment.parse(experiment), Path("nowhere")).machine.workers

    need = planned(config, UPPER, trunk_gib=0.0).memory // 2
    monkeypatch.setattr("research.sweeps.worker_count.cores", lambda: list(range(6)))
    monkeypatch.setattr("research.sweeps.worker_count.usable_bytes", lambda: 4 * need + need // 2)
    assert workers(0.0) == 4
    assert workers(1.0) == 3

"""Seeds of each source: what they drive, which runs have them, and that a sweep does these."""

import functools
import itertools
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from research.common.errors import InputError
from research.experiments.cells import cells
from research.experiments.cohorts import shards, stage_id
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan, Run
from research.experiments.seeds import Seeds, latin_square
from research.models.backbone import load_backbone
from research.records.store import RunStore
from research.runs.context import open_context
from research.runs.stage_start import start_stage
from research.runs.state import RunState
from research.sweeps.executor import ShardWork
from research.sweeps.messages import ShardRef, cell_index
from research.sweeps.single_run import RunRequest, train_run
from tests.films import run
from tests.sweeps.results_folder import by_row, results


def planned(config: dict[str, Any]) -> dict[str, CellPlan]:
    experiment = Experiment.parse(config)
    tasks = {task.name: task.load() for task in experiment.tasks}
    checksum = load_backbone(experiment.backbone).checksum
    return {cell.approach.name: cell for cell in cells(experiment, tasks, checksum)}


@pytest.mark.parametrize("side", [3, 5, 7, 9])
def test_any_two_sources_have_each_pair_once_and_the_diagonal_is_ordinary(side: int):
    found = latin_square(side)
    pairs = list(itertools.product(range(side), repeat=2))
    for a, b in itertools.combinations(("sample", "order", "initialisation"), 2):
        assert sorted((getattr(one, a), getattr(one, b)) for one in found) == pairs
    assert {Seeds.alike(seed) for seed in range(side)} <= set(found)
    assert latin_square(0) == []


def test_seeds_that_are_alike_make_the_ordinary_run(config: dict):
    cell = planned(config)["LoRA"]
    one, same = (Run(cell, cell.trials[0], seed) for seed in (1, Seeds(1, 1, 1)))
    assert one.id == same.id and stage_id(one, 0) == stage_id(same, 0)
    apart = [Run(cell, cell.trials[0], Seeds(*own)) for own in ((0, 1, 1), (1, 0, 1), (1, 1, 0))]
    assert len({run.id for run in (one, *apart)}) == 4
    assert len({stage_id(run, 0) for run in (one, *apart)}) == 4


def test_each_seed_drives_its_own_source(config: dict, tmp_path: Path):
    context, found = open_context(Experiment.parse(config), tmp_path), planned(config)

    @functools.cache
    def facts(row: str, *seeds: int) -> tuple[Any, ...]:
        """(checksum of the sample, seed of the order, opening, what LoRA begins with)."""
        cell = found[row]
        work = RunState(Run(cell, cell.trials[0], Seeds(*seeds)), context)
        opening = work.data.frame.prefix_ids.tolist()
        if not cell.approach.stages:
            return work.data.split.checksum, None, opening, None
        member = start_stage(work, 0, work.stage_data(0))
        added = [leaf for path, leaf in sorted(member.leaves.items()) if path.startswith("lora:")]
        begun = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(added))
        return work.data.split.checksum, member.seed, opening, begun

    def differing(row: str, *seeds: int) -> list[int]:
        pairs = zip(facts(row, 0, 0, 0), facts(row, *seeds), strict=True)
        return [place for place, (one, other) in enumerate(pairs) if one != other]

    assert differing("LoRA", 1, 0, 0) == [0]
    assert differing("LoRA", 0, 1, 0) == [1]
    assert differing("LoRA", 0, 0, 1) == [3]
    assert differing("few-shot", 1, 0, 0) == [0, 2]
    assert differing("few-shot", 0, 1, 0) == [2]
    assert differing("few-shot", 0, 0, 1) == []


def test_crossed_runs_are_of_the_chosen_trial_and_found_by_other_processes(config: dict):
    plain, found = planned(config), planned(config | {"crossed_seeds": 3})
    sizes = {row: cell.size - plain[row].size for row, cell in found.items()}
    none = {"zero-shot": 0, "majority class": 0, "TF-IDF + logistic regression": 0}
    assert sizes == {"few-shot": 6, "LoRA": 6} | none
    cell = found["LoRA"]
    groups = cell.groups(cell.trials[1])
    assert [len(runs) for runs in groups] == [6, 1, 6]
    assert [run.id for runs in groups[:2] for run in runs] == [
        run.id for runs in plain["LoRA"].groups(cell.trials[1])[:2] for run in runs
    ]
    assert {run.trial["learning_rate"] for run in cell.crossed(cell.trials[1])} == {0.1}
    for share in shards(groups[2], vmapped=False):
        ref = ShardRef.of(ShardWork(share, share.runs))
        work = ref.find({cell_index(cell): cell for cell in found.values()})
        assert [run.id for run in work.runs] == [share.runs[0].id]
        assert len(work.shard.cohort) == 6
    [whole] = shards(groups[2], vmapped=True)
    assert len(whole.runs) == 6


@pytest.mark.parametrize("crossed", [1, 2, 4, 5, -3])
def test_a_square_has_an_odd_side_within_the_seeds(config: dict, crossed: int):
    with pytest.raises(InputError, match="odd number from 3 to seeds=3"):
        Experiment.parse(config | {"crossed_seeds": crossed})


@pytest.mark.thorough
def test_a_sweep_adds_the_crossed_runs_and_changes_no_other(
    swept: Path, config: dict, tmp_path: Path
):
    """One of them trained alone first, as a sweep would: nothing of it is done again."""
    config |= {"crossed_seeds": 3, "keep_trained": True}
    experiment = Experiment.parse(config)
    wanted = RunRequest("LoRA", learning_rate=0.1, seed=0, order=1, initialisation=2)
    alone = train_run(experiment, tmp_path, wanted, lambda line: None)
    assert alone.seeds == Seeds(sample=0, order=1, initialisation=2)
    run(config, tmp_path)
    ordinary, crossed = results(tmp_path), {}
    for id in list(ordinary):
        if len(set(ordinary[id]["seeds"].values())) > 1:
            crossed[id] = ordinary.pop(id)
    for record in ordinary.values():
        assert record["configuration"].pop("crossed_seeds") == 3
        record.pop("trained", None)
    assert ordinary == results(swept)
    assert sorted(record["approach"] for record in crossed.values()).count("LoRA") >= 6
    tested = [record for record in crossed.values() if "test" in record["metrics"]]
    assert len(tested) == 12 and not any("trained" in record for record in tested)
    table = (tmp_path / "table.csv").read_text()
    assert not any(id in table for id in crossed)
    assert all(id in table for id, r in ordinary.items() if "test" in r["metrics"])
    assert sum(line.startswith("| ") for line in (tmp_path / "seeds.md").open()) == 2 + 2
    # Asked for again, nothing is missing.
    before = set(RunStore(tmp_path).ids())
    run(config, tmp_path)
    assert set(RunStore(tmp_path).ids()) == before
    chosen = {r.trial["learning_rate"] for r in by_row(tmp_path)["LoRA"] if r.tested}
    assert len(chosen) == 1


def test_seeds_that_a_row_does_not_have(config: dict, tmp_path: Path):
    experiment = Experiment.parse(config | {"crossed_seeds": 3})
    for row in ("zero-shot", "LoRA"):
        wanted = RunRequest(row, seed=0, order=0 if row == "LoRA" else 1, initialisation=2)
        with pytest.raises(InputError, match="allowed are 0/0/0, "):
            train_run(experiment, tmp_path, wanted, lambda line: None)

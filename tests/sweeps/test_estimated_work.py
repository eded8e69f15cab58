"""The work of a long sweep is what a plan estimates, at the measured speed of the machine."""

from pathlib import Path

import pytest

from research.experiments.experiment import Experiment
from research.runs.context import open_context
from research.sweeps.cell_work import CellWork
from research.sweeps.dry_run import estimated_work as works
from research.sweeps.dry_run.dry_run import plan_only
from research.sweeps.dry_run.estimated_work import estimated_work
from research.sweeps.dry_run.machine import HALF_RATE, Machine
from research.sweeps.dry_run.product_rate import ProductRate

FLOPS = 1e9


def work_of(config: dict, folder: Path) -> dict[str, CellWork]:
    experiment = Experiment.parse(config)
    context = open_context(experiment, folder)
    plan = list(context.cells(experiment, {task.name: task.load() for task in experiment.tasks}))
    return {cell.approach: cell for cell in estimated_work(plan, context)}


def test_a_long_sweep(config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rough = work_of(config, tmp_path)
    monkeypatch.setattr(works, "LONG", 0.0)
    monkeypatch.setattr(works, "measured_rate", lambda dtype: ProductRate(FLOPS))
    work = work_of(config, tmp_path)
    machine = Machine(FLOPS, HALF_RATE["cpu"], workers=1)
    plan = plan_only(Experiment.parse(config), tmp_path / "nowhere", machine=machine)
    for row in plan.rows:
        cell = work[row.approach]
        if not row.sizes:  # it does not use the backbone
            assert cell == rough[row.approach]
            continue
        seconds = cell.runs * cell.rough_seconds + cell.tests * cell.rough_test_seconds
        assert seconds == pytest.approx(row.training + row.scoring)
        assert cell.all_rough_seconds == pytest.approx(seconds)
        assert seconds != pytest.approx(rough[row.approach].all_rough_seconds, rel=0.01)


@pytest.mark.thorough
def test_an_approach_that_the_backbone_cannot_do_stays_rough(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its check says why."""
    lora = {"name": "lora", "rank": 2, "targets": ("nothing_such",)}
    config["approaches"] = [{"name": "LoRA", "stages": [{"method": lora}], "trials": [{}]}]
    rough = work_of(config, tmp_path)["LoRA"]
    monkeypatch.setattr(works, "LONG", 0.0)
    monkeypatch.setattr(works, "measured_rate", lambda dtype: ProductRate(FLOPS))
    work = work_of(config, tmp_path)["LoRA"]
    assert work.rough_seconds > rough.rough_seconds > 0


def test_rough_seconds_count_the_rows_of_dev_and_test(config: dict, tmp_path: Path):
    """A prompt scores 8 rows of dev and 8 of test; LoRA dev four times more, beside training."""
    work = work_of(config, tmp_path)
    zero_shot, lora = work["zero-shot"], work["LoRA"]
    assert zero_shot.rough_seconds == pytest.approx(zero_shot.rough_test_seconds, rel=0.01)
    assert lora.rough_test_seconds == zero_shot.rough_test_seconds
    trained = 3 * 4 * 4 / 8  # steps of four rows, each three times as expensive
    assert lora.rough_seconds / zero_shot.rough_seconds == pytest.approx(4 + trained, rel=0.01)

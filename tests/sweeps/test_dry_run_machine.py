"""The speed that a plan counts with: of idle cores, and of stored runs of this machine."""

import importlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from research.experiments.experiment import Experiment
from research.records.configuration import Hardware
from research.records.store import RunStore
from research.reporting.tables.dry_run import dry_run_table
from research.sweeps.dry_run import machine as machines
from research.sweeps.dry_run import recorded
from research.sweeps.dry_run.dry_run import DryRun, plan_only
from research.sweeps.dry_run.machine import HALF_RATE, Machine
from research.sweeps.dry_run.product_rate import ProductRate, best_rate, measured_rate

RESULTS = Path(__file__).parents[2] / "results/quickstart_reference"


@dataclass
class Clock:
    """Wall and CPU seconds of calls that take 10 ms of CPU time on each of `threads` cores.

    Attributes:
        share: share of the cores' time that the calls have, call by call.
        threads: number of threads that compute a call.
        wall: wall seconds so far.
        cpu: CPU seconds so far.
        calls: number of calls so far.
    """

    share: list[float]
    threads: int = 1
    wall: float = 0.0
    cpu: float = 0.0
    calls: int = 0

    def call(self) -> None:
        share = self.share[self.calls % len(self.share)]
        self.calls += 1
        self.wall += 0.01 / share
        self.cpu += 0.01 * self.threads

    def rate(self, threads: int | None) -> ProductRate:
        return best_rate(self.call, 1e7, threads, lambda: self.wall, lambda: self.cpu)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_the_speed_is_that_of_idle_cores(share: float, threads: int):
    """1e7 FLOPs in 10 ms, whatever part of the cores other programs have."""
    rate = Clock([share], threads).rate(threads)
    assert rate.flops == pytest.approx(1e9, rel=1e-6)
    assert rate.cpu_share == pytest.approx(share)


def test_a_slow_repeat_does_not_count():
    """Other programs also take the caches away: the best of the repeats is nearest to idle."""
    rate = Clock([0.2] * 7 + [1.0] * 40).rate(1)
    assert rate.flops == pytest.approx(1e9, rel=1e-6)
    assert 0.2 < rate.cpu_share < 1


def test_an_accelerator_takes_no_cpu_time():
    rate = Clock([0.1]).rate(None)
    assert rate.flops == pytest.approx(1e8) and rate.cpu_share == 1


def test_this_machine_is_measured():
    rate = measured_rate("float32")
    assert rate.flops > 1e6 and 0 < rate.cpu_share <= 1
    assert measured_rate("float32") is rate


def test_a_plan_says_that_other_programs_use_the_cores(
    config: dict, monkeypatch: pytest.MonkeyPatch
):
    def notes(share: float) -> str:
        monkeypatch.setattr(machines, "measured_rate", lambda dtype: ProductRate(1e11, share))
        plan = plan_only(Experiment.parse(config), Path("nowhere"))
        assert plan.machine.flops == 1e11
        return " ".join(dry_run_table(plan).notes)

    assert "Other programs use the cores" not in notes(0.95)
    assert "the measurement of the speed had 12 %; the plan is for idle cores." in notes(0.12)


def quickstart(**renamed: str) -> dict[str, Any]:
    """The quickstart on its first task, with other names of rows."""
    config = importlib.import_module("configs.quickstart").get_config().to_dict()
    rows = [{**row, "name": renamed.get(row["name"], row["name"])} for row in config["approaches"]]
    return config | {"tasks": config["tasks"][:1], "approaches": rows}


def planned(flops: float, **renamed: str) -> DryRun:
    machine = Machine(flops=flops, half_rate=HALF_RATE["cpu"], workers=2)
    return plan_only(Experiment.parse(quickstart(**renamed)), RESULTS, machine=machine)


def of_row(plan: DryRun, name: str):
    [row] = [row for row in plan.rows if row.approach == name]
    return row


@pytest.fixture
def hardware() -> Hardware:
    """The machine of the committed runs."""
    return RunStore(RESULTS).all()[0].provenance.hardware


@pytest.mark.thorough
def test_stored_runs_of_this_machine_tell_its_speed(
    hardware: Hardware, monkeypatch: pytest.MonkeyPatch
):
    """A row without stored runs follows those of the other rows, whatever speed is measured."""
    monkeypatch.setattr(recorded, "hardware", lambda: hardware)
    slow, fast = (of_row(planned(flops, LoRA="another"), "another") for flops in (1e9, 1e12))
    assert slow.recorded == 0
    assert slow.training == pytest.approx(fast.training)
    assert slow.scoring == pytest.approx(fast.scoring)
    stored = of_row(planned(1e9), "LoRA")
    assert stored.recorded == stored.runs
    assert 0.4 < slow.training / stored.training < 2.5
    notes = " ".join(dry_run_table(planned(1e9, LoRA="another")).notes)
    assert "Other times follow the speed of stored runs on this machine, in " in notes


@pytest.mark.thorough
def test_stored_runs_of_another_machine_do_not(hardware: Hardware, monkeypatch: pytest.MonkeyPatch):
    other = replace(hardware, processor="another processor")
    monkeypatch.setattr(recorded, "hardware", lambda: other)
    slow, fast = (planned(flops, LoRA="another") for flops in (1e9, 1e12))
    ratio = of_row(slow, "another").training / of_row(fast, "another").training
    assert ratio == pytest.approx(1e3)
    assert slow.paced_by == 0

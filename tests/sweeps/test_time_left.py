"""The time left, replayed on the committed sweeps in the order of their runs."""

import datetime
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from research.evaluation.batch import bucket
from research.records.data_report import read_data_report
from research.records.schema import CellKey, RunRecord
from research.records.store import RunStore
from research.sweeps.cell_work import CellWork
from research.sweeps.time_left.time_left import Running, TimeLeft

RESULTS = Path(__file__).parents[2] / "results"
SMOLLM2 = Path(__file__).parent / "timelines/smollm2.json"
SWEEPS = ("quickstart_reference", "methods", "prompting", "seeds", "sst2_reviews-lm")
PLANNED = {"train": 2.0, "prompt": 0.3, "baseline": 0.02}  # seconds of a run of 30 tokens
TESTED = {"train": "prompt", "prompt": "prompt", "baseline": "baseline"}  # no test trains
EARLY = 1.75  # so near is the estimate before each approach has a finished run
FACTOR, SLACK = 1.5, 40.0  # the estimate is so near, or so many seconds


class Replayed(NamedTuple):
    """An estimate.

    Attributes:
        left: seconds that were left.
        estimate: seconds that were estimated.
        all_known: whether each approach had a finished run.
    """

    left: float
    estimate: float
    all_known: bool


class Shard(NamedTuple):
    """Runs of a stored sweep that were executed together.

    Attributes:
        begun: when they began, in seconds.
        ended: when they ended.
        cell: index of their cell.
        runs: their number.
        seconds: seconds that they took.
        compiling: seconds of compilation among them.
        on_test: whether they were evaluated on test.
    """

    begun: float
    ended: float
    cell: int
    runs: int
    seconds: float
    compiling: float
    on_test: bool


class Executed(NamedTuple):
    """Runs that were executed together.

    Attributes:
        records: their records.
        begun: when they began, in seconds.
        ended: when they ended.
    """

    records: list[RunRecord]
    begun: float
    ended: float


def kind_of(record: RunRecord) -> str:
    if not record.configuration.uses_backbone:
        return "baseline"
    return "train" if record.configuration.stages else "prompt"


def executed(records: list[RunRecord]) -> list[Executed]:
    """In the order in which they ended, which the records have to the second."""
    together: dict[tuple, list[RunRecord]] = defaultdict(list)
    for record in records:
        seconds = record.costs.sweep_seconds
        alone = record.run_id if seconds is None else ""
        together[*record.cell, record.created, seconds, alone].append(record)
    shards = []
    for group in together.values():
        ended = datetime.datetime.fromisoformat(group[0].created).timestamp()
        shards.append(Executed(group, ended - (group[0].costs.sweep_seconds or 0.0), ended))
    return sorted(shards, key=lambda shard: shard.ended)


def longest_prompts(name: str) -> dict[str, int]:
    """Tokens of the longest prompt of train, by task."""
    report = read_data_report(RESULTS / name)
    assert report is not None
    lengths = {task.task: task.parts["train"].lengths for task in report.tasks}
    return {task: summary.longest for task, summary in lengths.items() if summary is not None}


def work(name: str, records: list[RunRecord]) -> list[CellWork]:
    """The cells, with runs as long as their tokens tell."""
    longest = longest_prompts(name)
    cells: dict[CellKey, list[RunRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.created):
        cells[record.cell].append(record)
    found = []
    for key, group in cells.items():
        kind = kind_of(group[0])
        own = [(r.costs.request_tokens or 20.0) - (r.costs.added_tokens or 0) for r in group]
        tokens = sum(own) / len(own) + 4 * len(group[0].labels)
        tests = sum(record.tested for record in group) if has_test_seconds(records) else 0
        shape = len(group[0].labels), bucket(longest[group[0].task])
        rough, test = (PLANNED[k] * tokens / 30 for k in (kind, TESTED[kind]))
        found.append(CellWork(key, len(group), tests, kind, shape, rough, test))
    return found


def has_test_seconds(records: list[RunRecord]) -> bool:
    return any(record.costs.test_seconds for record in records)


def replay(name: str) -> list[Replayed]:
    records = RunStore(RESULTS / name).all()
    shards = executed(records)
    begin, end = min(shard.begun for shard in shards), max(shard.ended for shard in shards)
    time_left, seen = TimeLeft(work(name, records), workers=2), set()
    approaches = {record.approach for record in records}
    events = sorted(
        itertools.chain(
            ((shard.begun, 0, i) for i, shard in enumerate(shards)),
            ((shard.ended, 1, i) for i, shard in enumerate(shards)),
        )
    )
    estimates = []
    for now, ends, i in events:
        first, elapsed = shards[i].records[0], now - begin
        if not ends:
            time_left.running[str(i)] = Running(first.cell, elapsed, len(shards[i].records))
            continue
        del time_left.running[str(i)]
        seconds, compiling = first.costs.sweep_seconds, first.costs.compile_seconds or 0.0
        time_left.finished(first.cell, len(shards[i].records), seconds, compiling, elapsed)
        if has_test_seconds(records):
            for record in shards[i].records:
                if record.tested:
                    time_left.tested(record.cell, 1, record.costs.test_seconds, elapsed)
        seen.add(first.approach)
        known = seen == approaches
        estimates.append(Replayed(end - now, time_left.left(elapsed), known))
    return estimates


@pytest.mark.parametrize("name", SWEEPS)
def test_the_estimate_is_near_after_the_first_run_of_each_approach(name: str):
    estimates = [estimate for estimate in replay(name) if estimate.all_known]
    assert len(estimates) > 50
    assert not far_from_truth(estimates)


def far_from_truth(estimates: list[Replayed]) -> list[Replayed]:
    """The estimates that are not within `FACTOR` or `SLACK` seconds."""
    return [
        estimate
        for estimate in estimates
        if abs(estimate.estimate - estimate.left) > SLACK
        and not 1 / FACTOR <= estimate.estimate / estimate.left <= FACTOR
    ]


def test_the_estimate_of_a_sweep_of_a_real_model():
    """The first cells of SmolLM2 on SST-2, on two cores: when their runs began and ended, and the
    seconds that a plan estimated for each. Prompts tell how fast training is, which comes later and
    takes most of the time.
    """
    estimates = play(SMOLLM2)
    assert len(estimates) > 100
    assert not far_from_truth([estimate for estimate in estimates if estimate.all_known])
    early = [estimate for estimate in estimates if not estimate.all_known]
    assert all(1 / EARLY <= estimate.estimate / estimate.left <= EARLY for estimate in early)


def play(file: Path) -> list[Replayed]:
    """Plays a stored sweep: when shards began and ended, on test or not."""
    stored = json.loads(file.read_text())
    work = [
        CellWork(tuple(key), runs, tests, kind, tuple(shape), *seconds)
        for key, runs, tests, kind, shape, *seconds in stored["cells"]
    ]
    shards = [Shard(*shard) for shard in stored["shards"]]
    end = max(shard.ended for shard in shards)
    time_left, seen, estimates = TimeLeft(work, workers=2), set[str](), list[Replayed]()
    begins = ((shard.begun, 0, i) for i, shard in enumerate(shards))
    ends = ((shard.ended, 1, i) for i, shard in enumerate(shards))
    for now, is_end, i in sorted(itertools.chain(begins, ends)):
        shard = shards[i]
        cell = work[shard.cell]
        if not is_end:
            time_left.running[str(i)] = Running(cell.key, now, shard.runs, on_test=shard.on_test)
            continue
        del time_left.running[str(i)]
        if shard.on_test:
            time_left.tested(cell.key, shard.runs, shard.seconds, now)
        else:
            time_left.finished(cell.key, shard.runs, shard.seconds, shard.compiling, now)
            seen.add(cell.approach)
        known = seen == {cell.approach for cell in work}
        estimates.append(Replayed(end - now, time_left.left(now), known))
    return estimates


def cells(*runs: int, planned: float = 10.0, labels: int = 2) -> list[CellWork]:
    """Cells of one approach on several tasks, all but the first with `labels` labels."""
    return [
        CellWork(("LoRA", f"task {i}", "500"), count, 0, "train", (labels if i else 2, 32), planned)
        for i, count in enumerate(runs)
    ]


def test_one_long_run_moves_the_estimate():
    """Planned for ten seconds, it turns out to take a hundred."""
    [cell] = cells(1)
    time_left = TimeLeft([cell], workers=1)
    for elapsed in (25.0, 40.0, 60.0, 80.0, 90.0):
        running = Running(cell.key, 0.0, 1, elapsed / 100, elapsed, reported=elapsed)
        time_left.running["a"] = running
        assert time_left.left(elapsed) == pytest.approx(100 - elapsed, rel=0.25)
        assert time_left.left(elapsed + 2) < time_left.left(elapsed)  # no report since


def test_a_run_measured_in_one_cell_tells_of_the_next():
    time_left = TimeLeft(cells(2, 2), workers=1)
    before = time_left.left(0.0)
    time_left.finished(("LoRA", "task 0", "500"), 2, 6.0, 0.0, elapsed=6.0)
    after = time_left.left(6.0)
    assert 6.0 <= after < before / 2


def test_prompts_tell_how_fast_training_is():
    """They take a tenth of their rough seconds, on dev and on test; no run with training is done.
    No part of the ratio comes from baselines, which have no backbone.
    """
    prompt = CellWork(("zero-shot", "films", "500"), 2, 2, "prompt", (2, 32), 20.0, 40.0)
    train = CellWork(("LoRA", "films", "500"), 10, 0, "train", (2, 32), 100.0)
    baseline = CellWork(("majority", "films", "500"), 1, 0, "baseline", (2, 32), 0.05, 0.05)
    time_left = TimeLeft([prompt, train, baseline], workers=1)
    assert time_left.left(0.0) > 10 * 100.0
    time_left.finished(baseline.key, 1, 5.0, 0.0, elapsed=None)
    assert time_left.left(0.0) > 10 * 100.0
    time_left.finished(prompt.key, 2, 4.0, 0.0, elapsed=None)
    assert 10 * 10.0 < time_left.left(0.0) < 10 * 30.0
    time_left.tested(prompt.key, 2, 8.0, elapsed=None)
    assert 10 * 10.0 < time_left.left(0.0) < 10 * 30.0


def test_runs_tell_how_long_test_takes():
    """Before any run is evaluated on test."""
    cell = CellWork(("zero-shot", "films", "500"), 2, 2, "prompt", (2, 32), 20.0, 400.0)
    time_left = TimeLeft([cell], workers=1)
    time_left.finished(cell.key, 2, 4.0, 0.0, elapsed=None)
    assert 2 * 40.0 <= time_left.left(0.0) < 2 * 120.0


def test_a_run_that_compiles_does_not_tell_how_long_the_others_take():
    """It traces its programs too: 3 seconds beside compilation, where the next run takes one."""
    time_left = TimeLeft(cells(2, 10), workers=1)
    time_left.finished(("LoRA", "task 0", "500"), 1, 13.0, 10.0, elapsed=13.0)
    time_left.finished(("LoRA", "task 0", "500"), 1, 1.0, 0.0, elapsed=14.0)
    assert time_left.left(14.0) == pytest.approx(10.0, rel=0.1)


def test_programs_of_an_earlier_task_are_not_expected_to_be_compiled_again():
    """Another task has the same programs if its rows have the same labels and widths."""
    left = {}
    for labels in (2, 4):
        time_left = TimeLeft(cells(2, 2, labels=labels), workers=1)
        time_left.finished(("LoRA", "task 0", "500"), 1, 103.0, 100.0, elapsed=103.0)
        time_left.finished(("LoRA", "task 0", "500"), 1, 3.0, 0.0, elapsed=106.0)
        left[labels] = time_left.left(106.0)
    assert left[2] == pytest.approx(6.0, rel=0.1)
    assert 30 < left[4] - left[2] < 70


def test_nothing_is_left_at_the_end():
    [cell] = cells(2)
    time_left = TimeLeft([cell], workers=2)
    time_left.finished(cell.key, 2, 6.0, 1.0, elapsed=6.0)
    assert time_left.left(6.0) == 0.0


def test_stored_runs_of_an_earlier_sweep_tell_how_long_runs_take():
    time_left = TimeLeft(cells(4), workers=1)
    time_left.finished(("LoRA", "task 0", "500"), 2, 2.0, 0.0, elapsed=None)
    assert time_left.left(0.0) < 30

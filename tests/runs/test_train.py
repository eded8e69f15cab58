"""Wall seconds in records: by purpose, and in sum those that passed."""

import time
from pathlib import Path
from typing import Any

import pytest

import research.sweeps.executor as executor
from research.records.store import RunStore
from research.runtime.clock import OTHER, PURPOSES
from tests import films


def test_the_seconds_of_a_record_are_those_that_passed(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A clock beside the work of each run, in training and on test, shows the sum of its record."""
    config |= {"approaches": config["approaches"][2:], "seeds": 1, "search_seeds": 1, "workers": 1}
    config["approaches"][0]["trials"] = config["approaches"][0]["trials"][:1]
    config["schedule"] = {"steps": 5, "batch_size": 4, "eval_every": 5}  # no other test compiles it
    passed = dict[str, float]()
    run_shard, run_test_result = executor.run_shard, executor.run_test_result

    def timed_shard(shard, *rest):
        begun = time.perf_counter()
        results = run_shard(shard, *rest)
        passed[shard.runs[0].id] = time.perf_counter() - begun
        return results

    def timed_test(run, context, report):
        begun = time.perf_counter()
        result = run_test_result(run, context, report)
        passed[run.id] += time.perf_counter() - begun
        return result

    monkeypatch.setattr(executor, "run_shard", timed_shard)
    monkeypatch.setattr(executor, "run_test_result", timed_test)
    results = films.run(config, tmp_path)
    [record] = [record for record in RunStore(results).all() if record.run_id in passed]
    seconds, wall = record.costs.seconds_by_purpose, record.costs.wall_seconds
    assert wall == pytest.approx(passed[record.run_id], abs=0.05)
    assert wall == pytest.approx(sum(seconds.values()))
    assert seconds.keys() <= {*PURPOSES, OTHER}
    expected = {"training", "compiling", "scoring", "encoding", "storing", "loading", "switching"}
    assert seconds.keys() >= expected
    assert 0 < (record.costs.compile_seconds or 0) <= seconds["compiling"] + 0.001
    assert record.costs.sweep_seconds is not None and record.costs.sweep_seconds < wall
    assert "wall seconds by purpose" in (results / "costs.md").read_text()


def test_baselines_have_seconds_too(swept: Path):
    baselines = [r for r in RunStore(swept).all() if r.backbone is None]
    assert baselines
    # Less than 0.05 ms is left out, as of the majority class.
    purposes = set().union(*(record.costs.seconds_by_purpose for record in baselines))
    assert purposes == {"training", "scoring", OTHER}

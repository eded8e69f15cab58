"""Turns, starts and what is measured only once; no clock decides anything here."""

import json
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from research.common.errors import InputError
from research.studies.speed import (
    compile_ahead,
    head_to_head,
    measure,
    selection,
    side,
    whole_process,
)
from research.studies.speed.case import Case, StartupCase
from research.studies.speed.sides.worker import Measurement
from scripts import benchmark
from tests import checkpoints

SETTINGS = ["--machine", "here"]


class Side:
    """A worker whose steps take a made-up time: the other side's three times ours."""

    results = {"our_side": [1.0, 2.0], "peft_side": [1.00001, 2.00001]}

    def __init__(self, side, work, folder, dtype, learning_rate, flags="", cache=None):
        self.side, self.asked, self.cache = side, 0, cache

    def __call__(self, steps):
        self.asked += steps > 0
        took = {"our_side": 0.01, "peft_side": 0.03}[self.side] * (1 + self.asked % 2)
        return Measurement([took] * steps, self.results[self.side], 1.0, 0.5, 7, None, 1e6)

    def profile(self):
        return {"moving": 1.0}

    def compile(self):
        assert self.cache is not None
        return 7.5

    def close(self):
        self.side = "closed"


CASE = Case("a case", 2.0, lambda folder: None)


def test_a_comparison_is_the_median_over_rounds(monkeypatch):
    monkeypatch.setattr(head_to_head, "Side", Side)
    found = head_to_head.head_to_head(CASE, "float32", rounds=3, seconds=0.1)
    assert (found.ours_ms, found.other_ms) == pytest.approx((20.0, 30.0))
    assert (found.low, found.ratio, found.high) == pytest.approx((1.5, 1.5, 6.0))
    assert found.difference == pytest.approx(1e-5 / 1.5, rel=1e-3)


def test_a_step_of_many_runs_is_reported_per_run(monkeypatch):
    monkeypatch.setattr(head_to_head, "Side", Side)
    found = head_to_head.head_to_head(replace(CASE, runs=4), "float32", rounds=3, seconds=0.1)
    assert (found.ours_ms, found.ratio, found.flops) == pytest.approx((5.0, 6.0, 2.5e5))


def test_sides_that_compute_something_else_are_refused(monkeypatch):
    monkeypatch.setattr(head_to_head, "Side", Side)
    monkeypatch.setitem(Side.results, "peft_side", [1.001, 2.0])
    with pytest.raises(RuntimeError, match="a case: the sides differ"):
        head_to_head.head_to_head(CASE, "float32", rounds=1, seconds=0.1)


ONE = StartupCase("a start", 10.0, "quickstart.py", "LoRA")


def test_a_start_ends_with_the_first_step(monkeypatch):
    """Long before the process would; the first of all is not counted."""
    code = "import time; print('step 1\\nfirst step after 0.1 s', flush=True); time.sleep(60)"
    asked = []
    monkeypatch.setattr(
        whole_process, "script", lambda *flags: asked.append(flags) or [sys.executable, "-c", code]
    )
    found = whole_process.startup_time(ONE, rounds=2)
    assert 0 < found.low <= found.seconds <= found.high < 30
    assert len(asked) == len(set(asked)) == 3 and asked[0][2] == "--approach=LoRA"


def test_a_start_that_fails_is_no_figure(monkeypatch):
    monkeypatch.setattr(whole_process, "script", lambda *flags: [sys.executable, "-c", "exit(3)"])
    with pytest.raises(RuntimeError, match="exit code 3 before a step"):
        whole_process.startup_time(ONE, rounds=1)


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Names in the order they were measured in; the second case is cut once, and fails once."""
    done = []

    def made(case, *rest):
        done.append(case.name)
        if len(done) == 2:
            raise KeyboardInterrupt
        if len(done) == 3:
            raise RuntimeError("the sides differ")
        return {"name": case.name, "ours_ms": 2.0, "flops": 4e6}

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(selection, "CASES", tuple(Case(n, None, CASE.write) for n in "ab"))
    monkeypatch.setattr(selection, "WHOLE_PROCESS_CASES", ())
    monkeypatch.setattr(selection, "STARTUP_CASES", (ONE,))
    monkeypatch.setattr(selection, "head_to_head_result", made)
    monkeypatch.setattr(selection, "startup_result", made)
    monkeypatch.setattr(measure, "machine", dict)
    monkeypatch.setattr(measure, "rate", lambda **settings: 1e9)
    monkeypatch.setattr("research.studies.speed.table.speed_markdown", str)
    monkeypatch.setattr(selection.util, "find_spec", lambda name: name)
    return done


def test_what_is_measured_is_not_measured_again(measured, tmp_path):
    with pytest.raises(SystemExit):
        benchmark.main(SETTINGS)
    assert [benchmark.main(SETTINGS) for _ in range(3)] == [1, 0, 0]
    assert measured == ["a", "b", "b", "a start", "b"]
    stored = json.loads((tmp_path / "results/benchmark/here/benchmark.json").read_text())
    assert [case["name"] for case in stored["cases"]] == ["a", "a start", "b"]
    # 4e6 operations in 2 ms are 2 of the 1 GFLOP/s there are.
    assert stored["cases"][0]["share_of_matmul_rate"] == pytest.approx(2.0)


def test_cases_are_measured_in_the_order_they_are_asked_for(measured):
    measured += [""] * 3  # past what is cut and what fails
    assert benchmark.main([*SETTINGS, "--case", "start", "--case", "a"]) == 0
    assert measured[3:] == ["a start", "a"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--case", "z"], "--case is 'z'"),
        (["--rounds", "0"], "--rounds, --seconds is"),
        (["--machine", "../x"], "--machine is '../x'"),
        (["--minutes", "0"], "--minutes is 0.0"),
        (["--large"], "--large is True: a GPU is needed"),
    ],
)
def test_what_cannot_be_measured_is_a_sentence(measured, flags, message, capsys):
    with pytest.raises((InputError, SystemExit)) as raised:
        benchmark.main([*SETTINGS, *flags])
    assert message in str(raised.value) + capsys.readouterr().err and not measured


def test_a_model_that_does_not_load_is_one_sentence_and_the_others_are_measured(
    measured, tmp_path, capsys
):
    measured += [""] * 3
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "whisper"}')
    assert benchmark.main([*SETTINGS, "--model", str(folder)]) == 1
    assert measured[3:] == ["a", "b", "a start"]
    printed = capsys.readouterr().out
    assert printed.count("model_type is 'whisper'") == 1


def test_a_model_that_one_side_cannot_load_is_told_once(measured, monkeypatch, tmp_path, capsys):
    """Its cases all fail, and the model is loaded only once."""
    measured += [""] * 3
    tries = []

    class Unable(Side):
        def __init__(self, side, *settings):
            super().__init__(side, *settings)
            tries.append(side)

        def __call__(self, steps):
            if self.side == "peft_side":
                raise RuntimeError("PyTorch cannot load it")

    monkeypatch.setattr("research.studies.speed.real_model.loading.Side", Unable)
    folder = checkpoints.write(tmp_path / "fine", "llama")
    assert benchmark.main([*SETTINGS, "--model", str(folder)]) == 1
    assert measured[3:] == ["a", "b", "a start"]
    assert tries == ["our_side", "peft_side"]
    assert capsys.readouterr().out.count("PyTorch cannot load it") == 1


def test_no_case_starts_after_the_minutes(measured, monkeypatch):
    """The clock moves by a minute at every look."""
    measured += [""] * 3
    clock = iter(range(0, 6000, 60))
    monkeypatch.setattr(measure.time, "monotonic", lambda: next(clock))
    assert benchmark.main([*SETTINGS, "--minutes", "1.5"]) == 0
    assert measured[3:] == ["a"]


def test_compiled_cases_give_the_seconds_of_compilation(monkeypatch):
    """Each keeps its inputs until it is measured; one that fails is left out."""
    written = []

    def broken(folder):
        raise InputError("field", 1, "2 is expected")

    monkeypatch.setattr(head_to_head, "Side", Side)
    monkeypatch.setattr(compile_ahead, "Side", Side)
    cases = [Case("fine", None, written.append), Case("broken", None, broken)]
    with compile_ahead.compiled_ahead(cases, "float32", Console(quiet=True)) as compiled:
        assert compiled.keys() == {"fine"} and written == [compiled["fine"].folder]
        assert written[0].is_dir()
        found = head_to_head.head_to_head(cases[0], "float32", 1, 0.1, compiled["fine"])
    assert found.compile_seconds == 7.5 and len(written) == 1


def test_a_worker_tells_why_it_cannot_use_its_inputs(tmp_path):
    with pytest.raises(RuntimeError, match="backbone is .*: no such folder here"):
        side.Side("our_side", "load", tmp_path, "float32", 0.0)(0)

"""The table of made-up timings."""

import json
from pathlib import Path

import pytest

import research
from research.studies.speed.table import PACKAGES, speed_markdown, write_measurements

MACHINE = dict(
    device="cpu", cores=2, cpu="Some CPU", python="3.12", xla_flags="--a=1", date="2026-01-02"
)
DUEL = dict(
    name="a duel",
    ours_ms=20.0,
    peft_ms=50.0,
    ratio=2.5,
    low=2.25,
    high=2.75,
    at_least=2.0,
    share_of_matmul_rate=0.5,
    compile_seconds=1.25,
    compile_at_most=1.0,
    memory_at_most=2.5,
    ours_bytes=2_000_000_000,
    peft_bytes=1_000_000_000,
    profile={"matrix products": 0.75, "moving": 0.25},
)
SHORT = {**DUEL, "name": "a short one", "ours_ms": 0.284, "share_of_matmul_rate": 0.00123}
SHORT |= {"compile_at_most": 2.0, "memory_at_most": 1.1}
RACE = dict(name="a race", ours_ms=3e4, peft_ms=4.5e4, ratio=1.5, low=1.5, high=1.5, at_least=2.0)
START = dict(name="a start", peft_ms=None, ratio=None, at_least=None, at_most_ms=10_000.0)


def test_rows_say_what_was_reached(tmp_path):
    starts = [{**START, "ours_ms": ms} for ms in (9500.0, 10500.0)]
    machine = MACHINE | dict.fromkeys(PACKAGES, "1.0")
    cases = [DUEL, SHORT, RACE, *starts]
    measured = {"machine": machine, "dtype": "float32", "matmul_gflops": 100.0, "cases": cases}
    measured["notes"] = ["A note."]
    write_measurements(tmp_path / "here", measured)
    assert json.loads((tmp_path / "here/benchmark.json").read_text()) == measured
    lines = (tmp_path / "here/benchmark.md").read_text().splitlines()
    packages = ", ".join(f"{name} 1.0" for name in PACKAGES)
    rest, ratio = "— | — | — | — | — |", "**2.50** (2.25 to 2.75)"
    slow, small = "1.2 s (at most 1.0 s)", "**2.00** (at most 2.50)"
    fast, large = "**1.2 s** (at most 2.0 s)", "2.00 (at most 1.10)"
    for line in [
        "# Benchmark: cpu, 2 cores",
        f"| a duel | 20 ms | 50 ms | {ratio} | 2.0 | 50% | {slow} | 2.00 GB | 1.00 GB | {small} |",
        f"| a short one | 0.28 ms | 50 ms | {ratio} | 2.0 | 0.12% "
        f"| {fast} | 2.00 GB | 1.00 GB | {large} |",
        f"| a race | 30.0 s | 45.0 s | 1.50 (1.50 to 1.50) | 2.0 | {rest}",
        f"| a start | **9500 ms** | — | — | at most 10.0 s | {rest}",
        f"| a start | 10.5 s | — | — | at most 10.0 s | {rest}",
        "A note.",
        "| case | matrix products | moving |",
        "| a duel | 75% | 25% |",
        f"Some CPU; Python 3.12, {packages}; XLA_FLAGS=--a=1; 2026-01-02.",
    ]:
        assert line in lines


def measured_cases(*cases):
    """Measurements of these cases."""
    machine = MACHINE | dict.fromkeys(PACKAGES, "1.0")
    return {"machine": machine, "dtype": "float32", "matmul_gflops": 100.0} | {
        "cases": cases,
        "notes": [],
    }


def test_published_numbers_stand_beside_the_cases_they_belong_to():
    text = speed_markdown(measured_cases({**DUEL, "published": "PLoRA up to 12.8"}, RACE))
    lines = text.partition("Share of our time")[0].splitlines()
    last = {line.split(" | ")[0]: line.split(" | ")[-1] for line in lines}
    assert last["| a duel"] == "PLoRA up to 12.8 |" and last["| a race"] == "— |"
    assert "arXiv 2508.02932" in text
    assert "published" not in speed_markdown(measured_cases(DUEL)).lower()


def test_a_figure_of_growth_is_shown(tmp_path):
    write_measurements(tmp_path, measured_cases(DUEL))
    assert "growth.png" not in (tmp_path / "benchmark.md").read_text()
    (tmp_path / "growth.png").write_bytes(b"")
    write_measurements(tmp_path, measured_cases(DUEL))
    assert "(growth.png)" in (tmp_path / "benchmark.md").read_text()


@pytest.mark.parametrize("machine", ["two-cores", "h200"])
def test_committed_pages_are_made_from_their_measurements(machine, tmp_path):
    folder = Path(research.__file__).parents[1] / "results/benchmark" / machine
    if (folder / "growth.png").is_file():
        (tmp_path / "growth.png").write_bytes(b"")
    write_measurements(tmp_path, json.loads((folder / "benchmark.json").read_text()))
    for name in ("benchmark.json", "benchmark.md"):
        assert (tmp_path / name).read_text() == (folder / name).read_text()

"""Advice: the cheapest of what is as good, and nothing that the runs do not show."""

import numpy as np
import pytest

from research.common.errors import InputError
from research.reporting.advice.columns import columns_for
from research.reporting.advice.constraints import Constraints
from research.reporting.advice.recommend import advise
from research.reporting.advice.sentences import sentences
from research.reporting.advice.table import advice_table
from tests.reporting.grids import TASK, answers, grid

COLUMN = (TASK, "500")
HARD = answers(0.9)  # the same items are hard for all that are as good
MADE = {
    "zero-shot prompt": (answers(0.7, seed=1), {"added_tokens": 5, "train_seconds": 0.0}),
    "soft prompt": (np.roll(HARD, 2, 1), {"stored_bytes": 4000, "added_tokens": 20}),
    "LoRA": (HARD, {"stored_bytes": 30_000, "train_seconds": 3.0}),
    "full fine-tuning": (np.roll(HARD, 1, 1), {"stored_bytes": 2e6}),
    "unstable": (answers(0.75, spread=0.24, seed=2), {"stored_bytes": 100}),
    "majority class": (answers(0.5, seed=3), {"train_seconds": 0.0}),
}


def advice(made=MADE, **wanted):
    return advise(grid(made), COLUMN, Constraints(**wanted))


def said(found):
    return "\n".join(sentences(found))


def name(found):
    return found.recommended and found.recommended.key[0]


def test_the_cheapest_of_those_that_are_as_good():
    """Not the unstable one, though it costs less and no test tells it from the best."""
    found = advice()
    assert name(found) == "soft prompt"
    assert {cell.key[0] for cell in found.pool} == {"soft prompt", "LoRA", "full fine-tuning"}
    like = {one.cell.key[0] for one in found.candidates if one.similar}
    assert like == {"soft prompt", "LoRA", "full fine-tuning", "unstable"}
    text = said(found)
    assert (
        "take soft prompt, 90.0 [" in text and "not significantly different from 3 others" in text
    )
    assert "The cheapest of these is unstable; it may score up to" in text
    assert "If added tokens matter most: LoRA (0)." in text


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"prefer": ("added_tokens", "stored_bytes")}, "LoRA"),
        ({"added_tokens": 10}, "LoRA"),
        ({"added_tokens": 10, "train_seconds": 2}, "full fine-tuning"),
        ({"stored_bytes": 0}, "zero-shot prompt"),
        ({"score": 0.65}, "zero-shot prompt"),
        ({"score": 0.85}, "soft prompt"),
        ({"tolerance": 0.2}, "unstable"),
    ],
)
def test_what_the_user_can_afford_and_needs(wanted, expected):
    assert name(advice(**wanted)) == expected


def test_a_required_score_that_is_certain_and_one_that_is_not():
    text = said(advice(score=0.65))
    assert "an interval above 65.0" in text
    assert (
        "not significantly different from 1 other, 3 significantly better" in text
    )  # `unstable` is like it
    found = advice(score=0.9)
    assert name(found) == "soft prompt" and not found.sure
    assert "No interval lies above 90.0" in said(found)


def test_an_approach_like_a_constant_answer_is_not_recommended():
    made = {name: (answers(0.5 + 0.01 * i, 0.1, seed=i), {}) for i, name in enumerate("abc")}
    found = advice({**made, "majority class": (answers(0.5, seed=9), {})})
    assert found.recommended is None and found.constant is not None
    assert "c (52.0 [" in said(found) and "no approach has learned the task" in said(found)
    assert name(advice({**made, "good": (answers(0.8), {})})) == "good"


def test_where_nothing_keeps_the_bounds():
    found = advice(score=0.85, stored_bytes=3000)
    assert found.recommended is None
    assert found.nearest.cell.key[0] == "unstable"
    text = said(found)
    assert "Nearest: unstable, score at least 85.0 missed by 10.0 points." in text
    assert "Binding constraint: bytes stored at most 3.0 kB; without it: soft prompt (90.0)" in text
    assert "Binding constraint: score at least 85.0; without it: unstable (75.0)" in text
    far = advice(score=0.99, stored_bytes=0)
    assert "No bound binds alone" not in said(far)  # zero-shot lacks the score alone
    assert "Without any single constraint there is still no such approach" in said(
        advice({"LoRA": MADE["LoRA"]}, score=0.99, stored_bytes=0)
    )
    with pytest.raises(InputError, match="bytes cached is 'at most 9 B': no run on films"):
        advice(cache_bytes=9)


def test_the_table_has_every_approach_and_the_runs_of_what_is_left():
    found = advice()
    table = advice_table(found)
    assert [row for row, _ in table.rows][0] == "soft prompt"
    assert {row for row, _ in table.rows} == set(MADE)
    verdicts = {row: entries[2].text for row, entries in table.rows}
    assert verdicts["LoRA"] == "not different" and verdicts["zero-shot prompt"] == "worse"
    [gap] = [one.gap for one in found.candidates if one.cell.key[0] == "zero-shot prompt"]
    assert gap.mean == pytest.approx(-0.2) and gap.low < -0.2 < gap.high
    assert "soft prompt 500 4" in table.notes[0] and "zero-shot prompt 500" not in table.notes[0]
    missed = advice_table(advice(added_tokens=10))
    assert dict(missed.rows)["soft prompt"][2].text == "violates added tokens"


def test_one_seed_tells_nothing_of_seeds():
    made = {name: (matrix[:1], costs) for name, (matrix, costs) in MADE.items()}
    made["LoRA"] = (answers(0.88, seeds=1), made["LoRA"][1])
    text = said(advice(made))
    assert "one seed does not show the variance" in text and "Provisional" in text


def test_the_column_is_that_of_the_available_examples():
    made = grid(MADE, {"16-shot": 32, "100": 100, "500": 500})
    assert columns_for(made, Constraints(examples=99)) == [(TASK, "16-shot")]
    assert columns_for(made, Constraints(examples=1000)) == [(TASK, "500")]
    assert len(columns_for(made, Constraints())) == 3
    with pytest.raises(InputError, match="the smallest training set that was run has 32"):
        columns_for(made, Constraints(examples=31))
    with pytest.raises(InputError, match="did you mean 'films'"):
        columns_for(made, Constraints(), "film")


@pytest.mark.parametrize(
    "wanted",
    [{"tasks": 0}, {"examples": -1}, {"score": 1.1}, {"stored_bytes": -1}, {"prefer": ("bytes",)}],
)
def test_constraints_that_make_no_sense(wanted):
    with pytest.raises(InputError, match=next(iter(wanted))):
        Constraints(**wanted)

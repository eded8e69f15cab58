"""Two results folders beside each other, and ours beside a paper's numbers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from research.common.errors import InputError
from research.records.measurements import BackboneReference, DataChecksums
from research.reporting.grid.grid import read_grid
from research.reporting.tables.comparison import compare, comparison_table
from research.reporting.tables.published import published_table, read_published
from research.stats.mean_difference import MeanDifference
from research.stats.multiple_testing import holm
from tests.reporting.conftest import Sweep
from tests.reporting.grids import answers, grid

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
NAMES = ("ours", "theirs")


def change_runs(grid, **changes):
    """The grid with these fields of all its runs changed."""
    cells = {
        key: replace(cell, runs=tuple(replace(run, **changes) for run in cell.runs))
        for key, cell in grid.cells.items()
    }
    return replace(grid, cells=cells)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Some of the cells: one the same, one with better answers, one with other seeds' answers."""
    sweep = Sweep(tmp_path_factory.mktemp("other"))
    sweep.cell(2, 0, 1)
    sweep.cell(0, 0, 1, settings={"worse": True}, approach="LoRA", regime="16-shot")
    sweep.cell(5, 1, 0, approach="ours alone")
    return sweep.folder


def test_paired_where_both_answered_the_same_items(finished, other):
    ours, theirs = read_grid(finished), read_grid(other)
    found = compare(ours, theirs, NAMES)
    pairs = {pair.first.key: pair for pair in found.pairs}
    same = pairs["LoRA", "sentiment", "500"]
    assert (
        same.how == "the same runs" and same.gap == MeanDifference(0, 0, 0) and not same.significant
    )
    worse = pairs["LoRA", "sentiment", "16-shot"]
    first, second = (one.influence["accuracy"] for one in (worse.first, worse.second))
    assert worse.gap.mean == pytest.approx((first - second).mean()) and worse.significant
    assert worse.how == "paired, 5 seeds and the items"
    assert found.only[1] == (("ours alone", "topic_50%", "16-shot"),)
    assert len(found.only[0]) == len(ours.tested()) - 2
    text = "\n".join(comparison_table(found).notes)
    assert "Significant differences: 1 of 2" in text
    assert "Only in theirs: on topic_50%, 16-shot: ours alone." in text
    assert "chosen trial (1 of 2)" in text


def test_unpaired_where_the_items_differ():
    """Welch's test on the two-way variances: of one seed, that of scipy over the items."""
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.6, 0.2, (1, 80)), rng.normal(0.5, 0.3, (1, 50))
    made = [grid({"LoRA": (matrix, {})}) for matrix in (first, second)]
    made = [
        change_runs(one, data=DataChecksums(checksum, "split"))
        for one, checksum in zip(made, "ab", strict=True)
    ]
    [pair] = compare(made[0], made[1], NAMES).pairs
    assert pair.how == "unpaired: other items"
    expected = stats.ttest_ind(first[0], second[0], equal_var=False)
    assert pair.p == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval(0.95)
    assert (pair.gap.low, pair.gap.high) == pytest.approx((low, high))


def test_nothing_in_common(finished, tmp_path):
    sweep = Sweep(tmp_path)
    sweep.cell(0, 0, 0, approach="another")
    with pytest.raises(InputError, match="they share no approach on the same task"):
        compare(read_grid(finished), read_grid(tmp_path), NAMES)


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert holm([0.02, 0.03, 0.04], 0.05) == [False] * 3 and holm([], 0.05) == []


def test_a_paper_s_number_beside_ours(tmp_path):
    """One without its runs counts as exact; the runs of another widen the interval."""
    runs = [0.7, 0.8, 0.75]
    found = {
        "paper": "P",
        "authors": "A",
        "arxiv": "1",
        "tasks": {
            "Films": {
                "metric": "acc",
                "scores": [{"approaches": ["LoRA"], "score": 0.75, "printed": 0.01}],
                "examples": [10, 500],
                "head": [[0.1, None], runs],
            }
        },
    }
    path = tmp_path / "paper.json"
    path.write_text(json.dumps(found))
    made = grid({name: (answers(0.9, seed=1), {}) for name in ("LoRA", "head", "other")})
    made = change_runs(made, backbone=BackboneReference("tiny", "abc"))
    layout = published_table(made, read_published(path))
    rows = {row: [entry.text for entry in entries] for row, entries in layout.rows}
    assert list(rows) == ["LoRA, films, 500", "head, films, 500"]
    assert rows["LoRA, films, 500"][1:3] == ["75.0", "± 1.0"]
    assert rows["head, films, 500"][1:3] == ["75.0", "SD 5.0 of 3 runs"]
    widths = {}
    for row, texts in rows.items():
        mean, low, high = map(
            float, texts[3].replace("[", "").replace("]", "").replace(",", "").split()
        )
        assert mean == 15.0
        widths[row] = high - low
    assert widths["head, films, 500"] > 2 * widths["LoRA, films, 500"]
    assert "treated as exact" in layout.notes[1]


def test_the_committed_numbers_can_be_read(finished, tmp_path):
    lescao, hu = (read_published(PUBLISHED / name) for name in ("lescao2021.json", "hu2021.json"))
    [rte] = [
        s for s in lescao.scores if (s.task, s.approaches, s.examples) == ("RTE", ("head",), 10)
    ]
    assert len(rte.runs) == 4 and rte.metric == "accuracy"
    base = [s for s in hu.scores if s.task == "cola" and s.backbone == "FacebookAI/roberta-base"]
    assert {s.score: s.printed for s in base} == {0.636: None, 0.634: 0.012}
    assert {s.metric for s in base} == {"matthews"}
    with pytest.raises(InputError, match="it has no number for our approaches and tasks"):
        published_table(read_grid(finished), hu)
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(InputError, match=r"a file of results/published/ is expected \(KeyError"):
        read_published(tmp_path / "broken.json")

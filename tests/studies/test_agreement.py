"""The comparison of runs on both sides, and its page."""

import numpy as np
import pytest

from research.stats.intervals import paired_p
from research.studies.agreement.comparison import CellComparison, RunPair
from research.studies.agreement.page import agreement_page
from research.studies.agreement.run_files import PLAIN, RunInputs, read_inputs, write_inputs
from research.studies.speed.real_model.table_format import EncodedSplit

GOLD = np.array([0, 1] * 50)


def pair(wrong_ours: int, wrong_peft: int, step: int = 20) -> RunPair:
    """A run with so many wrong answers, at the begin on our side and at the end on the other."""
    ours, peft = GOLD.copy(), GOLD.copy()
    ours[:wrong_ours] = 1 - ours[:wrong_ours]
    peft[len(GOLD) - wrong_peft :] = 1 - peft[len(GOLD) - wrong_peft :]
    return RunPair(GOLD, ours, peft, step, 2 * step)


def test_accuracies_and_the_share_of_equal_answers():
    comparison = CellComparison("LoRA", "t", "256", (pair(10, 20), pair(0, 10)))
    np.testing.assert_allclose(comparison.ours, [0.9, 1.0])
    np.testing.assert_allclose(comparison.peft, [0.8, 0.9])
    assert comparison.same == pytest.approx(0.8)
    difference, p = comparison.difference
    ours, peft = (
        np.stack([(getattr(run, side) == GOLD).astype(float) for run in comparison.runs])
        for side in ("ours", "peft")
    )
    assert difference.mean == pytest.approx(0.1) and p == pytest.approx(paired_p(ours, peft))


def test_the_page_counts_the_cells_that_agree():
    agreeing = CellComparison("LoRA", "t", "256", (pair(10, 11), pair(12, 11)))
    other = CellComparison("full", "t", "256", (pair(0, 60), pair(0, 60)))
    text = agreement_page([agreeing, other], "some model", ("2.0", "0.19"))
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    assert lines[2].startswith("| LoRA | t | 256 | 2 | 89.0 | 89.0 | +0.0 [")
    assert lines[3].startswith("| full | t | 256 | 2 | 100.0 | 40.0 | +60.0 [")
    assert lines[3].endswith("| 40.0 % | 20, 20 | 40, 40 |")
    assert "contains 0 in 1 of 2 cells" in text and "PyTorch 2.0 and PEFT\n0.19" in text


def test_the_files_of_a_run(tmp_path):
    def split(rows):
        return EncodedSplit(np.ones((rows, 4)), np.full(rows, 4), np.full(rows, 3), np.zeros(rows))

    labels, lengths = np.array([[5, 6], [7, 0]]), np.array([2, 1])
    inputs = RunInputs(
        prefix_ids=np.array([1]),
        labels=labels,
        label_lengths=lengths,
        train=split(5),
        dev=split(2),
        test=split(3),
        batches=np.array([[0, 1], [2, 3]]),
        rates=np.array([0.1, 0.05]),
        weight_decay=0.1,
        clip=None,
        eval_every=1,
        patience=5,
    )
    write_inputs(tmp_path, inputs)
    read = read_inputs(tmp_path)
    assert [getattr(read, name) for name in PLAIN] == [0.1, None, 1, 5]
    assert [ids.tolist() for ids in read.label_ids] == [[5, 6], [7]]
    assert len(read.test.label) == 3 and read.rates.tolist() == [0.1, 0.05]

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from research.tasks.metrics.classification import METRICS, accuracy, macro_f1, matthews


def sample(*shape: int, classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, shape)


def test_accuracy_equals_scikit_learn():
    predicted, gold = sample(5, 40, classes=3), sample(40, classes=3, seed=1)
    expected = [accuracy_score(gold, row) for row in predicted]
    np.testing.assert_allclose(accuracy(predicted, gold, 3), expected)


@pytest.mark.parametrize("present", [1, 3, 6])
def test_macro_f1_equals_scikit_learn_when_classes_are_missing(present: int):
    predicted, gold = sample(20, 30, classes=6), sample(30, classes=present, seed=1)
    expected = [
        f1_score(gold, row, labels=range(6), average="macro", zero_division=0) for row in predicted
    ]
    np.testing.assert_allclose(macro_f1(predicted, gold, 6), expected)


@pytest.mark.parametrize("classes", [2, 5])
def test_matthews_equals_scikit_learn(classes: int):
    """Some items have no answer; the last rows are all right, all wrong, of one class, of none."""
    gold = sample(40, classes=classes, seed=1)
    answers = np.where(sample(9, 40, classes=6) > 0, sample(9, 40, classes=classes, seed=2), -1)
    fixed = [gold, (gold + 1) % classes, np.ones_like(gold), np.full_like(gold, -1)]
    predicted = np.concatenate([answers, fixed])
    expected = [matthews_corrcoef(gold, row) for row in predicted]
    np.testing.assert_allclose(matthews(predicted, gold, classes), expected, atol=1e-12)
    assert expected[9] == 1 and min(expected) < 0 and expected[-2:] == [0, 0]


@pytest.mark.parametrize("name", METRICS)
def test_leading_axes_are_rows_of_their_own(name: str):
    predicted, gold = sample(2, 3, 25, classes=4), sample(2, 3, 25, classes=4, seed=1)
    scores = METRICS[name](predicted, gold, 4)
    assert scores.shape == (2, 3)
    assert scores[1, 2] == METRICS[name](predicted[1, 2], gold[1, 2], 4)
    assert METRICS[name](predicted[0, 0], gold[0, 0], 4).shape == ()


def test_no_answer_is_wrong_and_belongs_to_no_class():
    predicted, gold = np.array([0, -1, 1, 1]), np.array([0, 0, 1, 1])
    assert accuracy(predicted, gold, 2) == 0.75
    np.testing.assert_allclose(macro_f1(predicted, gold, 2), (2 / 3 + 1) / 2)

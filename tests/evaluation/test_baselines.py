import numpy as np
import pytest
from sklearn.metrics import log_loss

from research.common.errors import InputError
from research.evaluation.baselines import BASELINES, majority_class, tfidf_logistic_regression

GOOD = ["a fine film", "fine acting !", "really fine", "a great and fine story"]
BAD = ["a dull film", "dull acting ?", "really dull", "a dull and slow story"]
TEXTS, LABELS = GOOD + BAD, [1] * 4 + [0] * 4


@pytest.mark.parametrize("name", [n for n in BASELINES if BASELINES[n].answers == "label"])
def test_scores_are_log_probabilities(name):
    for trial in BASELINES[name].trials:
        fitted = BASELINES[name].fit(TEXTS, LABELS, 2, **trial)
        predicted, scores = fitted.predict(["fine", "dull", ""])
        assert scores.shape == (3, 2)
        np.testing.assert_allclose(np.exp(scores).sum(1), 1)
        np.testing.assert_array_equal(predicted, scores.argmax(1))
        assert fitted.seconds > 0 and fitted.stored_bytes > 0


def test_the_majority_class_wins_and_the_first_of_equals():
    predicted, scores = majority_class(["a", "b", "c"], [2, 2, 0], 3).predict(["x", "y"])
    np.testing.assert_array_equal(predicted, [2, 2])
    np.testing.assert_allclose(np.exp(scores[0]), [1 / 3, 1e-9, 2 / 3])
    assert majority_class(["a", "b"], [2, 1], 3).predict(["x"])[0] == [1]


def test_words_decide_and_their_cost_is_counted():
    fitted = tfidf_logistic_regression(TEXTS, LABELS, 2, 10.0)
    np.testing.assert_array_equal(fitted.predict(["so fine !", "very dull"])[0], [1, 0])
    words = {w for t in TEXTS for w in t.split()}
    pairs = {" ".join(p) for t in TEXTS for p in zip(t.split(), t.split()[1:], strict=False)}
    terms = words | pairs
    assert fitted.trained_params == len(terms) + 1
    assert fitted.stored_bytes == 4 * (2 * len(terms) + 1) + sum(map(len, terms))


def test_one_letter_words_and_punctuation_are_words():
    fitted = tfidf_logistic_regression(["x", "!", "y", "?"], [0, 0, 1, 1], 2, 10.0)
    np.testing.assert_array_equal(fitted.predict(["x", "!", "y", "?"])[0], [0, 0, 1, 1])


def test_a_weaker_penalty_fits_the_training_texts_closer():
    losses = [
        log_loss(LABELS, np.exp(tfidf_logistic_regression(TEXTS, LABELS, 2, c).scores(TEXTS)))
        for c in (0.1, 1.0, 10.0)
    ]
    assert losses[0] > losses[1] > losses[2]


def test_classes_without_an_example_are_possible_and_unlikely():
    _, scores = tfidf_logistic_regression(TEXTS, [3] * 4 + [1] * 4, 5).predict(["fine", "dull"])
    assert scores.shape == (2, 5)
    np.testing.assert_array_equal(scores.argmax(1), [3, 1])
    assert np.isfinite(scores).all() and (scores[:, [0, 2, 4]] < -20).all()
    predicted, _ = tfidf_logistic_regression(["a", "b"], [1, 1], 2).predict(["c"])
    assert predicted == [1]


@pytest.mark.parametrize(
    ("texts", "labels", "trial", "field"),
    [
        (["", " "], [0, 1], {}, "texts"),
        (["a"], [0, 1], {}, "labels"),
        ([], [], {}, "labels"),
        (["a", "b"], [0, 2], {}, "labels"),
        (["a", "b"], [0, 1], {"C": 0.0}, "C"),
    ],
)
def test_mistakes_are_named(texts, labels, trial, field):
    with pytest.raises(InputError) as error:
        tfidf_logistic_regression(texts, labels, 2, **trial)
    assert error.value.field == field

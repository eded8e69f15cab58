"""The readout's pure functions, and the tiny decoder read so against one pass per text."""

import numpy as np
import pytest

from research.evaluation.calibration import (
    calibrated,
    ensembled,
    pooled,
    pooled_label_scores,
    predicted_classes,
)
from research.tasks.encoding.encoded import Labels, LabelTexts
from tests.evaluation.plain import plain_labels
from tests.thorough import cases
from tests.tiny import FRAME, all_logprobs, batch, decoder, scored

# LabelTexts that share first tokens, and texts that begin others; the third class has one text.
TARGETS = Labels(
    np.array([[5, 0, 0], [5, 7, 9], [5, 7, 0], [6, 9, 7], [6, 0, 0]], np.int32),
    np.array([1, 3, 2, 3, 1], np.int32),
)
TEXTS = LabelTexts(
    TARGETS, np.array([0, 0, 1, 1, 2]), np.array([4, 9, 8, 11, 5]), np.array([4, 7, 8, 6, 5])
)
ONE_EACH = LabelTexts(TARGETS, np.arange(5), TEXTS.size, TEXTS.characters)
DRAW = np.random.default_rng(0)
SCORES = DRAW.normal(-4, 2, size=(6, 5)).astype(np.float32)
NEUTRAL = [DRAW.normal(-4, 2, size=(1, 5)).astype(np.float32) for _ in range(3)]
LENGTHS = {"sum": np.ones(5), "tokens": TARGETS.length, "bytes": TEXTS.size}


@pytest.mark.parametrize("by", LENGTHS)
@pytest.mark.parametrize("neutral", [0, 1, 3])
def test_labels_are_read_as_one_would_write_it_down(by, neutral):
    found = pooled_label_scores(SCORES, TEXTS, by, NEUTRAL[:neutral])
    assert found.dtype == np.float32
    priors = [one[0].tolist() for one in NEUTRAL[:neutral]]
    for row, scores in zip(found, SCORES.tolist(), strict=True):
        expected = plain_labels(scores, TEXTS.owner.tolist(), LENGTHS[by].tolist(), priors)
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-5)


def test_one_text_each_summed_and_uncalibrated_is_left_as_it_is():
    np.testing.assert_array_equal(pooled_label_scores(SCORES, ONE_EACH), SCORES)
    np.testing.assert_array_equal(ensembled([SCORES]), SCORES)


def test_a_pool_is_above_its_texts_and_holds_where_one_has_no_chance():
    labels = pooled(SCORES, TEXTS.owner)
    assert (labels[:, 0] > SCORES[:, :2].max(axis=1)).all()
    never = np.array([[-np.inf, -1.0, -np.inf, -np.inf, 0.0]], np.float32)
    np.testing.assert_array_equal(pooled(never, TEXTS.owner), [[-1.0, -np.inf, 0.0]])


def test_calibration_takes_a_bias_away():
    """Zhao et al. 2021: what a label gains after every prompt decides nothing any more."""
    bias = np.array([3.0, 0.0, -2.0, 1.0, 0.0], np.float32)
    plain = pooled_label_scores(SCORES, ONE_EACH, neutral=NEUTRAL[:1])
    biased = pooled_label_scores(SCORES + bias, ONE_EACH, neutral=[NEUTRAL[0] + bias])
    np.testing.assert_allclose(plain, biased, atol=1e-5)
    assert (SCORES.argmax(1) != (SCORES + bias).argmax(1)).any()


def test_a_prior_may_be_of_each_row():
    priors = [SCORES - 1, SCORES - 1]
    np.testing.assert_allclose(calibrated(SCORES, priors), np.ones_like(SCORES), atol=1e-5)


def test_an_ensemble_is_the_mean_of_the_labels_probabilities():
    members = [SCORES, SCORES[::-1], np.zeros_like(SCORES)]
    shares = [np.exp(one) / np.exp(one).sum(axis=1, keepdims=True) for one in members]
    np.testing.assert_allclose(np.exp(ensembled(members)), np.mean(shares, axis=0), atol=1e-6)


@pytest.mark.parametrize("by", cases(["sum", "tokens"], quick=("tokens",)))
def test_calibrated_labels_of_a_decoder(by):
    """Rows 0 to 2 are scored; rows 3 and 4 stand for prompts without an input."""
    model, params = decoder()
    rows = batch(5)
    scores = np.asarray(scored(model, (), params, rows, FRAME, TARGETS))
    found = pooled_label_scores(scores[:3], TEXTS, by, [scores[3:4], scores[4:]])

    slow = np.zeros((5, 5))
    for row, text in np.ndindex(5, 5):
        prompt = [
            *FRAME.prefix_ids[: FRAME.prefix_length],
            *rows.tokens[row, : rows.prompt_length[row]],
        ]
        target = TARGETS.tokens[text, : TARGETS.length[text]]
        logprobs = all_logprobs(model, params, np.array([*prompt, *target, *[0] * 30][:24]))
        slow[row, text] = sum(float(logprobs[len(prompt) + t - 1, i]) for t, i in enumerate(target))
    lengths = LENGTHS[by].tolist()
    for row in range(3):
        expected = plain_labels(slow[row], TEXTS.owner.tolist(), lengths, [slow[3], slow[4]])
        np.testing.assert_allclose(found[row], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "scores, predicted",
    [
        ([-1.0, -2.0], 0),
        ([-2.0, -1.0], 1),
        ([-1.0, -1.0], 0),
        ([-np.inf, -1.0], 1),  # an impossible label
        ([np.nan, -1.0], -1),
        ([-1.0, np.nan], -1),
        ([np.nan, np.nan], -1),
        ([-np.inf, -np.inf], -1),
        ([np.inf, -1.0], -1),
    ],
)
def test_scores_that_are_not_finite_are_no_answer(scores, predicted):
    assert predicted_classes(np.array([scores])).tolist() == [predicted]


def test_one_prompt_without_finite_scores_leaves_an_ensemble_without_an_answer():
    finite, broken = np.array([[-1.0, -2.0]] * 2), np.array([[-1.0, np.nan], [-1.0, -2.0]])
    assert predicted_classes(ensembled([finite, broken])).tolist() == [-1, 0]

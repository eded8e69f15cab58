"""Label scores from text scores: pure functions of log-probabilities.

A label's score is the log of the summed probability of its texts, optionally normalised by their
lengths, less the same score after prompts without an input.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from research.tasks.encoding.encoded import LabelTexts, Normalisation, RowChoices


def pooled_label_scores(
    scores: NDArray, texts: LabelTexts, by: Normalisation = "sum", neutral: Sequence[NDArray] = ()
) -> NDArray:
    """Label scores [I, C] from the scores of texts [I, K].

    neutral: scores [1, K] or [I, K] of the texts after each prompt without an input.
    """
    labels = pooled(normalised(scores, texts, by), texts.owner)
    priors = [pooled(normalised(prior, texts, by), texts.owner) for prior in neutral]
    return calibrated(labels, priors) if priors else labels


def own_choice_scores(
    scores: NDArray, choices: RowChoices, by: Normalisation = "sum", neutral: Sequence[NDArray] = ()
) -> NDArray:
    """Scores [I, C] of the rows' own choices from their log-probabilities.

    neutral: log-probabilities [I, C] of the choices after each prompt without an input.
    """
    rows = normalised(scores, choices, by)
    priors = [normalised(prior, choices, by) for prior in neutral]
    with np.errstate(invalid="ignore"):  # of choices that a row does not have
        rows = calibrated(rows, priors) if priors else rows
    return np.where(choices.targets.length > 0, rows, -np.inf)


def normalised(scores: NDArray, texts: LabelTexts | RowChoices, by: Normalisation) -> NDArray:
    """Scores [..., K] divided by the tokens of the target, or by the bytes or characters of the
    text; "sum": as they are.

    Of lm-evaluation-harness, division by characters is acc_norm, and by bytes acc_bytes.
    """
    if by == "sum":
        return scores
    lengths = {
        "tokens": texts.targets.length,
        "bytes": texts.size,
        "characters": texts.characters,
    }[by]
    return scores / np.maximum(np.asarray(lengths, scores.dtype), 1)


def pooled(scores: NDArray, owner: NDArray) -> NDArray:
    """Log of the summed probability of each class's texts, [..., C] from [..., K]."""
    classes = range(int(owner.max()) + 1)
    return np.stack([_log_sum(scores[..., owner == label], -1) for label in classes], axis=-1)


def predicted_classes(scores: NDArray) -> NDArray:
    """The class [...] with the largest of scores [..., C]; -1, no answer, where one of them is NaN
    or the largest is infinite. Ties go to the first class.
    """
    return np.where(np.isfinite(scores.max(axis=-1)), scores.argmax(axis=-1), -1)


def calibrated(labels: NDArray, priors: Sequence[NDArray]) -> NDArray:
    """Label scores [I, C] less the log of the mean probability of the priors [1, C] or [I, C].

    With content-free inputs this is contextual calibration, W = diag(p)^-1 and b = 0 (Zhao et al.
    2021, arXiv 2102.09690, section 5; probabilities are averaged as in the authors' code, and
    normalising them over the labels would change no prediction); with a domain premise, PMI_DC
    (Holtzman et al. 2021, arXiv 2104.08315, section 3).
    """
    mean = _log_sum(np.stack(priors), 0) - np.log(np.float32(len(priors)))
    return labels - mean


def ensembled(members: Sequence[NDArray]) -> NDArray:
    """The log of the mean over members of the labels' probabilities, from label scores [I, C].

    The scores of a single member are returned as they are.
    """
    if len(members) == 1:
        return members[0]
    probabilities = [m - _log_sum(m, -1)[..., None] for m in members]
    return _log_sum(np.stack(probabilities), 0) - np.log(np.float32(len(members)))


def _log_sum(scores: NDArray, axis: int) -> NDArray:
    """log sum exp over an axis; NaN where a score is NaN, see `predicted_classes`."""
    with np.errstate(invalid="ignore"):
        return np.logaddexp.reduce(scores, axis=axis)

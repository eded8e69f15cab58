"""Classification metrics, vectorised over leading axes (seeds, resamples)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

METRIC_VERSION = 2  # increased by hand when a metric changes its value for the same answers

Metric = Callable[[NDArray, NDArray, int], NDArray]


def accuracy(predicted: NDArray, gold: NDArray, classes: int) -> NDArray:
    """Share of correct answers, 0 to 1.

    predicted [..., I] int (-1: no answer), gold [I] or [..., I] int; float64 [...].
    """
    del classes  # every metric has the same signature
    return np.mean(predicted == gold, axis=-1)


def macro_f1(predicted: NDArray, gold: NDArray, classes: int) -> NDArray:
    """Mean over the classes of 2 TP / (predicted + gold); a class that never occurs counts 0.

    predicted [..., I] int (-1: no answer), gold [I] or [..., I] int; float64 [...]. Equals
    scikit-learn's f1_score(labels=range(classes), average="macro", zero_division=0).
    """
    predicted, gold = np.broadcast_arrays(predicted, gold)
    hits = _counts(np.where(predicted == gold, gold, -1), classes)
    total = _counts(predicted, classes) + _counts(gold, classes)
    return np.mean(2 * hits / np.maximum(total, 1), axis=-1)


def matthews(predicted: NDArray, gold: NDArray, classes: int) -> NDArray:
    """Correlation of predicted and gold classes, -1 to 1; 0 where either is constant.

    predicted [..., I] int (-1: no answer, a class of its own), gold [I] or [..., I] int; float64
    [...]. Of I items, R of them correct, p_k and g_k in class k: (I R - sum p_k g_k) / sqrt((I^2 -
    sum p_k^2) (I^2 - sum g_k^2)), Gorodkin 2004 (doi:10.1016/j.compbiolchem.2004.09.006), equation
    8; of two classes that is Matthews 1975. Equals scikit-learn's matthews_corrcoef.
    """
    predicted, gold = np.broadcast_arrays(predicted, gold)
    items, right = gold.shape[-1], np.sum(predicted == gold, axis=-1)
    answers, golds = _counts(predicted, classes), _counts(gold, classes)
    unanswered = items - answers.sum(axis=-1)
    above = items * right - np.sum(answers * golds, axis=-1)
    spread = items**2 - np.sum(answers**2, axis=-1) - unanswered**2
    below = np.sqrt(spread.astype(float) * (items**2 - np.sum(golds**2, axis=-1)))
    return above / np.where(below > 0, below, 1.0)


def _counts(values: NDArray, classes: int) -> NDArray:
    """Counts [..., C] of each class in values [..., I]; negative values are ignored."""
    rows = values.reshape(-1, values.shape[-1]).astype(np.int64)
    # Column 0 takes the negative values; each row has its own range of bins.
    bins = np.maximum(rows, -1) + 1 + np.arange(len(rows))[:, None] * (classes + 1)
    counts = np.bincount(bins.ravel(), minlength=len(rows) * (classes + 1))
    return counts.reshape(*values.shape[:-1], classes + 1)[..., 1:]


METRICS: dict[str, Metric] = {"accuracy": accuracy, "macro_f1": macro_f1, "matthews": matthews}
# Minimum of a metric where it is not 0; the maximum is always 1.
LOWEST = {"matthews": -1.0, "pearson": -1.0, "spearman": -1.0}

"""Baselines that need no language model: the majority class, and TF-IDF with logistic regression.

A method that does not beat them has learned no more than word counts tell.
"""

import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from research.common.errors import InputError
from research.evaluation.choice_baselines import (
    UNSEEN,
    longest_choice,
    most_frequent_position,
    tfidf_of_choices,
)
from research.tasks.encoding.nearest import TOKENS, nearness


@dataclass(frozen=True)
class Fitted:
    """A trained classification baseline.

    Attributes:
        scores: log-probabilities [I, C] of texts.
        trained_params: number of trained parameters.
        stored_bytes: bytes to store.
        seconds: seconds of training.
    """

    scores: Callable[[Sequence[str]], np.ndarray]
    trained_params: int
    stored_bytes: int
    seconds: float

    def predict(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """The best classes [I] int and the scores [I, C] of the texts; ties go to the first."""
        scores = self.scores(texts)
        return scores.argmax(axis=1), scores


def majority_class(texts: Sequence[str], labels: Sequence[int], classes: int) -> Fitted:
    """Scores every text by the classes' shares in `labels` [I] int; ties go to the first class.

    Nothing is trained; C shares of four bytes are stored.
    """
    started = time.perf_counter()
    _check(texts, labels, classes)
    shares = np.bincount(np.asarray(labels), minlength=classes) / len(labels)
    row = np.log(np.maximum(shares, UNSEEN))
    seconds = time.perf_counter() - started
    return Fitted(lambda new: np.tile(row, (len(new), 1)), 0, 4 * classes, seconds)


def tfidf_logistic_regression(
    texts: Sequence[str], labels: Sequence[int], classes: int, C: float = 1.0
) -> Fitted:
    """Multinomial logistic regression on TF-IDF of single words and pairs of words.

    labels [I] int; the larger `C`, the weaker the L2 penalty (scikit-learn's C). Weights and biases
    are trained; they and the inverse document frequencies take four bytes each, besides the words.
    Raises InputError if no text holds a word.
    """
    from sklearn.exceptions import ConvergenceWarning  # takes seconds to import
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    started = time.perf_counter()
    _check(texts, labels, classes)
    if not C > 0:
        raise InputError("C", C, "a positive number is expected")
    if len(set(labels)) == 1:
        return majority_class(texts, labels, classes)
    vectorizer = TfidfVectorizer(**TOKENS, ngram_range=(1, 2), sublinear_tf=True)
    try:
        features = vectorizer.fit_transform(texts)
    except ValueError as error:
        raise InputError("texts", list(texts[:3]), "at least one must hold a word") from error
    model = LogisticRegression(C=C, max_iter=1000)
    with warnings.catch_warnings():
        # A thousand steps are enough for a baseline, whether or not the tolerance is reached.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, np.asarray(labels))

    def scores(new: Sequence[str]) -> np.ndarray:
        seen = model.predict_log_proba(vectorizer.transform(new))
        full = np.full((len(new), classes), np.log(UNSEEN))
        full[:, model.classes_] = seen
        return full

    trained = np.size(model.coef_) + np.size(model.intercept_)
    words = sum(len(word.encode()) for word in vectorizer.vocabulary_)
    stored = 4 * (trained + len(vectorizer.vocabulary_)) + words
    return Fitted(scores, trained, stored, time.perf_counter() - started)


@dataclass(frozen=True)
class Baseline:
    """A baseline and its trials, of which the best on dev is taken.

    Attributes:
        fit: `fit(texts, labels, classes, **trial)`; of texts `fit(texts, targets, **trial)`, and of
            choices `fit(examples, **trial)`.
        trials: hyper-parameters to try.
        answers: whether it answers with labels, with texts, or with one of an item's own choices.
        constant: True if it gives every example the same answer. It is fitted to the whole pool of
            training data, since in a small or balanced draw the most frequent answer is chance.
    """

    fit: Callable[..., Any]
    trials: tuple[dict[str, float], ...] = ({},)
    answers: Literal["label", "text", "choice"] = "label"
    constant: bool = False


def _check(texts: Sequence[str], labels: Sequence[int], classes: int) -> None:
    if not len(texts) or len(texts) != len(labels):
        raise InputError(
            "labels", len(labels), f"one for each of the {len(texts)} texts, at least one"
        )
    if min(labels) < 0 or max(labels) >= classes:
        raise InputError("labels", sorted(set(labels)), f"classes are 0 to {classes - 1}")


@dataclass(frozen=True)
class FittedTexts:
    """A trained baseline that answers with texts.

    Attributes:
        write: one text for each text.
        stored_bytes: bytes to store.
        seconds: seconds of training.
        trained_params: number of trained parameters.
    """

    write: Callable[[Sequence[str]], list[str]]
    stored_bytes: int
    seconds: float
    trained_params: int = 0


def most_common_target(texts: Sequence[str], targets: Sequence[str]) -> FittedTexts:
    """Answers every text with the most common target of training; ties go to the first."""
    started = time.perf_counter()
    _check_targets(texts, targets)
    [(target, _)] = Counter(targets).most_common(1)
    seconds = time.perf_counter() - started
    return FittedTexts(lambda new: [target] * len(new), len(target.encode()), seconds)


def target_of_nearest(texts: Sequence[str], targets: Sequence[str]) -> FittedTexts:
    """Answers with the target of the nearest training text, see `nearness`; ties go to the first.

    All texts and targets are stored.
    """
    started = time.perf_counter()
    _check_targets(texts, targets)
    near = nearness(texts)

    def write(new: Sequence[str]) -> list[str]:
        return [targets[int(nearest)] for nearest in np.argmax(near(new), axis=1)]

    stored = sum(len(text.encode()) for text in (*texts, *targets))
    return FittedTexts(write, stored, time.perf_counter() - started)


def _check_targets(texts: Sequence[str], targets: Sequence[str]) -> None:
    if not len(texts) or len(texts) != len(targets):
        allowed = f"one for each of the {len(texts)} texts, at least one"
        raise InputError("targets", len(targets), allowed)


BASELINES: dict[str, Baseline] = {
    "majority class": Baseline(majority_class, constant=True),
    "TF-IDF + logistic regression": Baseline(
        tfidf_logistic_regression, ({"C": 0.1}, {"C": 1.0}, {"C": 10.0})
    ),
    "most common target": Baseline(most_common_target, answers="text", constant=True),
    "target of the nearest input": Baseline(target_of_nearest, answers="text"),
    "most frequent position": Baseline(most_frequent_position, answers="choice", constant=True),
    "longest choice": Baseline(longest_choice, answers="choice"),
    "TF-IDF of question and choice": Baseline(
        tfidf_of_choices, ({"C": 0.1}, {"C": 1.0}, {"C": 10.0}), answers="choice"
    ),
}
# Baselines that give every example the same answer.
CONSTANT = tuple(name for name, baseline in BASELINES.items() if baseline.constant)

"""Baselines that choose among an item's own choices without a language model."""

import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.tasks.encoding.nearest import TOKENS
from research.tasks.example import Example

UNSEEN = 1e-9  # the share of an answer that is never right in training; a log needs one


@dataclass(frozen=True)
class FittedChoices:
    """A trained baseline.

    Attributes:
        scores: log-probabilities of the choices of each example.
        stored_bytes: bytes to store.
        seconds: seconds of training.
        trained_params: number of trained parameters.
    """

    scores: Callable[[Sequence[Example]], list[NDArray]]
    stored_bytes: int
    seconds: float
    trained_params: int = 0


def padded_scores(scores: Sequence[NDArray]) -> NDArray:
    """Scores [I, C] of rows with different numbers of choices, -inf where a row has fewer."""
    padded = np.full((len(scores), max(map(len, scores))), -np.inf)
    for row, values in zip(padded, scores, strict=True):
        row[: len(values)] = values
    return padded


def most_frequent_position(train: Sequence[Example]) -> FittedChoices:
    """Scores each choice by how often the right one stands at its position in training."""
    started = time.perf_counter()
    counts = Counter(example.right_choice for example in train)
    positions = max(counts) + 1

    def scores(examples: Sequence[Example]) -> list[NDArray]:
        return [
            _log_shares([counts[position] for position in range(len(example.choices))])
            for example in examples
        ]

    return FittedChoices(scores, 4 * positions, time.perf_counter() - started)


def longest_choice(train: Sequence[Example]) -> FittedChoices:
    """Scores each choice by its share of the characters of all; nothing is learned."""
    del train

    def scores(examples: Sequence[Example]) -> list[NDArray]:
        return [_log_shares([*map(len, example.choices)]) for example in examples]

    return FittedChoices(scores, 0, 0.0)


def tfidf_of_choices(train: Sequence[Example], C: float = 1.0) -> FittedChoices:
    """Logistic regression of whether a choice is right, softmax over the choices of an item.

    Features: TF-IDF of the words and pairs of words of the choice, their cosine similarity with
    those of the question, and the choice's share of the characters of all. The larger `C`, the
    weaker the L2 penalty. Raises InputError if no choice of training holds a word.
    """
    from scipy.sparse import csr_matrix, hstack  # with scikit-learn, which takes seconds to import
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    started = time.perf_counter()
    if not C > 0:
        raise InputError("C", C, "a positive number is expected")
    vectorizer = TfidfVectorizer(**TOKENS, ngram_range=(1, 2), sublinear_tf=True)
    texts = [text for example in train for text in (example.text, *example.choices)]
    try:
        vectorizer.fit(texts)
    except ValueError as error:
        raise InputError("choices", texts[:3], "at least one must hold a word") from error

    def features(examples: Sequence[Example]):
        """[N, F] of all choices of all examples."""
        owner = np.repeat(np.arange(len(examples)), [len(e.choices) for e in examples])
        choices: Any = vectorizer.transform([text for e in examples for text in e.choices])
        questions: Any = vectorizer.transform([example.text for example in examples])
        cosine = np.asarray(choices.multiply(questions[owner]).sum(axis=1))
        share = np.concatenate([np.exp(_log_shares([*map(len, e.choices)])) for e in examples])
        return hstack([choices, csr_matrix(cosine), csr_matrix(share[:, None])]).tocsr()

    right = np.array([text == e.label for e in train for text in e.choices])
    model = LogisticRegression(C=C, max_iter=1000)
    with warnings.catch_warnings():
        # A thousand steps are enough for a baseline, whether or not the tolerance is reached.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features(train), right)

    def scores(examples: Sequence[Example]) -> list[NDArray]:
        ends = np.cumsum([len(example.choices) for example in examples])[:-1]
        values = np.split(model.decision_function(features(examples)), ends)
        return [logits - np.logaddexp.reduce(logits) for logits in values]

    trained = np.size(model.coef_) + np.size(model.intercept_)
    words = sum(len(word.encode()) for word in vectorizer.vocabulary_)
    stored = 4 * (trained + len(vectorizer.vocabulary_)) + words
    return FittedChoices(scores, stored, time.perf_counter() - started, trained)


def _log_shares(counts: Sequence[int]) -> NDArray:
    """Logs of the counts' shares of their sum."""
    values = np.maximum(np.array(counts, float), UNSEEN)
    return np.log(values / values.sum())

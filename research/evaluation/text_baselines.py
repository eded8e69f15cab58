"""Baselines of generation that need no language model: they give a target of training again."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from research.errors import InputError

# Words, single letters included, and punctuation marks: "!" and "?" tell sentiment and questions.
TOKENS = r"(?u)\w+|[^\w\s]"


@dataclass(frozen=True)
class FittedTexts:
    """A baseline with what it keeps. `write(texts)` is a text for each; the rest are its costs."""

    write: Callable[[Sequence[str]], list[str]]
    stored_bytes: int
    seconds: float
    trained_params: int = 0


def most_common_target(texts: Sequence[str], targets: Sequence[str]) -> FittedTexts:
    """The target that stands most often in training, for every text; of equals the first."""
    started = time.perf_counter()
    _check(texts, targets)
    [(target, _)] = Counter(targets).most_common(1)
    seconds = time.perf_counter() - started
    return FittedTexts(lambda new: [target] * len(new), len(target.encode()), seconds)


def target_of_nearest(texts: Sequence[str], targets: Sequence[str]) -> FittedTexts:
    """The target of the training text with the largest cosine of TF-IDF vectors of single words
    and pairs of words; of equals the first. Kept are all texts and targets.
    """
    started = time.perf_counter()
    _check(texts, targets)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), token_pattern=TOKENS, sublinear_tf=True)
    try:
        known = vectorizer.fit_transform(texts)
    except ValueError as error:
        raise InputError("texts", list(texts[:3]), "at least one must hold a word") from error

    def write(new: Sequence[str]) -> list[str]:
        cosine = (vectorizer.transform(new) @ known.T).toarray()
        return [targets[int(place)] for place in np.argmax(cosine, axis=1)]

    stored = sum(len(text.encode()) for text in (*texts, *targets))
    return FittedTexts(write, stored, time.perf_counter() - started)


def _check(texts: Sequence[str], targets: Sequence[str]) -> None:
    if not len(texts) or len(texts) != len(targets):
        allowed = f"one for each of the {len(texts)} texts, at least one"
        raise InputError("targets", len(targets), allowed)

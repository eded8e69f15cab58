"""Nearest training examples by TF-IDF similarity."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.tasks.example import Example, text_key
from research.tasks.words import words_and_punctuation

# Punctuation counts: "!" and "?" carry sentiment and questions.
TOKENS = {"tokenizer": words_and_punctuation, "token_pattern": None}
CHUNK = 256  # rows per block, whose similarities to all of train are in memory


def nearness(train: Sequence[str]) -> Callable[[Sequence[str]], NDArray]:
    """A function from texts [I] to cosine similarities [I, K] with the texts of `train`.

    Texts are TF-IDF vectors of words, fitted on `train`. Raises InputError if no text of `train`
    contains a word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # takes seconds to import

    vectorizer = TfidfVectorizer(**TOKENS, sublinear_tf=True, dtype=np.float32)  # pyright: ignore
    try:
        train_vectors = vectorizer.fit_transform(train).T
    except ValueError as error:
        raise InputError("train", list(train[:3]), "at least one text must hold a word") from error
    return lambda texts: (vectorizer.transform(texts) @ train_vectors).toarray()


def by_nearness(train: Sequence[Example], examples: Sequence[Example]) -> list[NDArray]:
    """For each example, the indices of `train`, nearest first; ties in the order of `train`.

    `train` has no duplicate texts; an example of it is not its own neighbour. Liu et al. 2022
    (arXiv 2101.06804) use sentence embeddings; TF-IDF needs no second model.
    Raises InputError if no text of `train` contains a word.
    """
    near = nearness([example.text for example in train])
    train_index = {text_key(example): i for i, example in enumerate(train)}
    ranking: list[NDArray] = []
    for begin in range(0, len(examples), CHUNK):
        chunk = examples[begin : begin + CHUNK]
        ranked = np.argsort(-near([example.text for example in chunk]), axis=1, kind="stable")
        for example, indices in zip(chunk, ranked, strict=True):
            ranking.append(indices[indices != train_index.get(text_key(example), -1)])
    return ranking

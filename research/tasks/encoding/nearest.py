"""How near the texts of train are to others."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.tasks.task import Example, text_key

# Words, single letters included, and punctuation marks: "!" and "?" tell sentiment and questions.
TOKENS = r"(?u)\w+|[^\w\s]"
CHUNK = 256  # rows compared at a time: their similarities to all of train are held in memory


def nearness(train: Sequence[str]) -> Callable[[Sequence[str]], NDArray]:
    """The function from texts [I] to their cosines [I, K] with those of `train`, as TF-IDF vectors
    of words, fitted on `train`. Raises InputError if no text of `train` holds a word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer  # takes seconds to import

    vectorizer = TfidfVectorizer(token_pattern=TOKENS, sublinear_tf=True, dtype=np.float32)  # pyright: ignore
    try:
        known = vectorizer.fit_transform(train).T
    except ValueError as error:
        raise InputError("train", list(train[:3]), "at least one text must hold a word") from error
    return lambda texts: (vectorizer.transform(texts) @ known).toarray()


def by_nearness(train: Sequence[Example], examples: Sequence[Example]) -> list[NDArray]:
    """For each example, the places of all of `train`, the nearest first; of equals the first wins.

    An example of `train` itself, which has no text twice, is not its own neighbour. Liu et al. 2022
    (arXiv 2101.06804) choose by sentence embeddings; TF-IDF needs no second model.
    Raises InputError if no text of `train` holds a word.
    """
    near = nearness([example.text for example in train])
    own = {text_key(example): place for place, example in enumerate(train)}
    found: list[NDArray] = []
    for begin in range(0, len(examples), CHUNK):
        chunk = examples[begin : begin + CHUNK]
        ranked = np.argsort(-near([one.text for one in chunk]), axis=1, kind="stable")
        for example, places in zip(chunk, ranked, strict=True):
            found.append(places[places != own.get(text_key(example), -1)])
    return found

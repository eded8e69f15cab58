"""Batches of pretraining: packed documents and exercises."""

from collections.abc import Iterator

import numpy as np

from research.common.tokenizer import Tokenizer
from research.evaluation.batch import Rows, batch_rows
from research.studies.pretraining.settings import PretrainingSettings
from research.tasks.encoding.encoded import Encoded
from research.tasks.world.corpus import Split
from research.tasks.world.packing import document_rows, exercise_rows, token_stream

MOST_ANSWER_TOKENS = 8


def document_batches(
    settings: PretrainingSettings, tokenizer: Tokenizer, split: Split, short: int = 0
) -> Iterator[Rows]:
    """Batches of packed documents [B, T]; the first `short` have shorter rows, and more of them.

    Short sequences first make training faster (Li et al. 2022, arXiv 2108.06084).
    """
    stream = token_stream(tokenizer, settings.seed, split)
    while True:
        length = settings.short_length if short > 0 else settings.length
        short -= 1
        size = settings.batch * settings.length // length
        yield _batch(document_rows(stream, size, length), length - 1)


def exercise_batches(settings: PretrainingSettings, tokenizer: Tokenizer) -> Iterator[Rows]:
    """Batches of exercises [B, T], with about as many tokens as those of documents."""
    width = settings.exercise_length
    size = settings.batch * settings.length // width
    for encoded in exercise_rows(tokenizer, settings.seed, size, width):
        yield _batch(encoded, MOST_ANSWER_TOKENS)


def _batch(encoded: Encoded, targets: int) -> Rows:
    size, width = encoded.tokens.shape
    return batch_rows(encoded, np.arange(size), size, width, targets)

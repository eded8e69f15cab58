"""Pretraining rows: packed documents, and exercises whose targets are the answers only."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from research.common.tokenizer import Tokenizer
from research.tasks.encoding.encoded import Encoded
from research.tasks.world.corpus import Split, corpus, exercises
from research.tasks.world.tokenizer import BEGIN, END

PLAIN: dict[str, Any] = {"add_special_tokens": False, "verbose": False}


def token_stream(tokenizer: Tokenizer, seed: int, split: Split) -> Iterator[int]:
    """The token ids of the corpus, each document as `<s> text </s>`."""
    texts, ids_of = corpus(seed, split), tokenizer.get_vocab()
    while True:
        for ids in tokenizer(list(islice(texts, 256)), **PLAIN)["input_ids"]:
            yield ids_of[BEGIN]
            yield from ids
            yield ids_of[END]


def document_rows(stream: Iterator[int], rows: int, length: int) -> Encoded:
    """The next `rows` x `length` ids of a stream; all tokens but the first of a row are targets."""
    tokens = np.fromiter(islice(stream, rows * length), np.int32).reshape(rows, length)
    return _encoded(tokens, [length] * rows, [1] * rows)


def exercise_rows(tokenizer: Tokenizer, seed: int, rows: int, length: int) -> Iterator[Encoded]:
    """Batches of `rows` exercises; prompts that are too long are truncated at the beginning."""
    items, begin = exercises(seed), tokenizer.get_vocab()[BEGIN]
    while True:
        tokens = np.zeros((rows, length), np.int32)
        starts, lengths = [], []
        for row, item in enumerate(islice(items, rows)):
            prompt, answer = tokenizer(list(item), **PLAIN)["input_ids"]
            prompt = [begin, *prompt][-(length - len(answer)) :]
            starts.append(len(prompt))
            lengths.append(len(prompt) + len(answer))
            tokens[row, : lengths[-1]] = prompt + answer
        yield _encoded(tokens, lengths, starts)


def _encoded(tokens: NDArray, lengths: list[int], starts: list[int]) -> Encoded:
    extents = (np.array(lengths, np.int32), np.array(starts, np.int32))
    return Encoded(tokens, *extents, label=np.zeros(len(tokens), np.int32), cut=0)

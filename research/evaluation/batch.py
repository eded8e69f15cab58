"""A batch of rows and how encoded examples become one."""

from typing import NamedTuple

import numpy as np

from research.methods.method import Array
from research.tasks.encoding import Encoded


class Rows(NamedTuple):
    """Rows of one batch; a row of length 0 is padding and weighs nothing.

    tokens: [B, T] prompt and target ids, padded on the right.
    length: [B] real tokens; start: [B] prompt tokens, so the target is `tokens[start:length]`.
    target: [B, L] the target's ids again, padded on the right.
    place: [B] where the row stands in the whole batch; its random key comes from it.
    """

    tokens: Array
    length: Array
    start: Array
    target: Array
    place: Array


class Prefix(NamedTuple):
    """Hard prefix shared by every row: tokens [S], of which the first `length` [] are real."""

    tokens: Array
    length: Array


class Labels(NamedTuple):
    """The candidate targets of a task: tokens [C, L], of which `length` [C] are real."""

    tokens: Array
    length: Array


BUCKETS = (8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192)


def bucket(length: int) -> int:
    """The padded length for `length` tokens: few sizes, so few shapes are compiled."""
    return next(size for size in BUCKETS if size >= length)


def rows(encoded: Encoded, chosen: np.ndarray, size: int, width: int, targets: int) -> Rows:
    """The examples `chosen` (indices) as `size` rows of `width` tokens and `targets` target ids."""
    tokens = np.zeros((size, width), np.int32)
    target = np.zeros((size, targets), np.int32)
    length, start = np.zeros(size, np.int32), np.zeros(size, np.int32)
    for row, item in enumerate(chosen):
        count, begin = encoded.length[item], encoded.start[item]
        tokens[row, :count] = encoded.tokens[item, :count]
        target[row, : count - begin] = encoded.tokens[item, begin:count]
        length[row], start[row] = count, begin
    return Rows(tokens, length, start, target, np.arange(size, dtype=np.int32))


def prefix(tokens: list[int]) -> Prefix:
    """A hard prefix padded to its bucket; one token, the usual BOS, stays one."""
    size = len(tokens) if len(tokens) < 2 else bucket(len(tokens))
    padded = np.zeros(size, np.int32)
    padded[: len(tokens)] = tokens
    return Prefix(padded, np.array(len(tokens), np.int32))

"""A batch of rows, what surrounds them, and how encoded examples become one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.methods.method import Array
from research.tasks.encoding.encoded import Encoded


class Rows(NamedTuple):
    """Rows of one batch; a row of length 0 is padding and weighs nothing.

    tokens: [B, T] prompt and target ids, padded on the right.
    length: [B] real tokens; start: [B] prompt tokens, so the target is `tokens[start:length]`.
    target: [B, L] the target's ids again, padded on the right. label: [B] the right class, or the
    right number in float32.
    place: [B] where the row stands in the whole batch; its random key comes from it.
    """

    tokens: Array
    length: Array
    prompt_length: Array
    target: Array
    label: Array
    row_index: Array


class PromptFrame(NamedTuple):
    """What surrounds every row of a batch.

    opening: [S] ids before each row (BOS or CLS, then demonstrations), of which the first `length`
    [] are real; one alone is. closing: [E] ids after each row (EOS or SEP; none for a causal
    model). mask: [] the id of the mask token, where there is one.
    """

    prefix_ids: Array
    prefix_length: Array
    suffix_ids: Array
    mask: Array


class EncodedPrompts(NamedTuple):
    """The rows of a split and the frame around each of them.

    Attributes:
        rows: the encoded examples.
        frame: the ids before and after every row.
        neutral_frame: the ids around the neutral prompts of the rows; None without these.
    """

    rows: Encoded
    frame: PromptFrame
    neutral_frame: PromptFrame | None = None

    def neutral(self) -> "list[EncodedPrompts]":
        """The prompts without an input, by which scores are calibrated."""
        if self.neutral_frame is None:
            return []
        return [EncodedPrompts(rows, self.neutral_frame) for rows in self.rows.neutral]


BUCKETS = (8, 16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192)


def bucket(length: int) -> int:
    """The padded length for `length` tokens: few sizes, so few shapes are compiled."""
    return next(size for size in BUCKETS if size >= length)


def extents(encoded: Encoded, frame: PromptFrame) -> NDArray:
    """[I]: how many positions a row takes while training, with what closes it. A target stands
    behind its prompt where nothing closes that, else apart.
    """
    closing = len(frame.suffix_ids)
    return encoded.prompt_length + closing if closing else encoded.length


def prompt_width(encoded: Encoded, chosen: np.ndarray, closing: int = 0) -> int:
    """The padded width for the prompts of the examples `chosen`, which has room left in its bucket
    for `closing` tokens. It will do wherever targets do not stand behind their prompts.
    """
    return bucket(int(encoded.prompt_length[chosen].max(initial=1)) + closing) - closing


def batch_rows(encoded: Encoded, chosen: np.ndarray, size: int, width: int, targets: int) -> Rows:
    """The examples `chosen` (indices) as `size` rows of `width` tokens and `targets` target ids.

    A width that holds the prompts alone cuts their targets off `tokens`.
    """
    tokens = np.zeros((size, width), np.int32)
    target = np.zeros((size, targets), np.int32)
    length, start = np.zeros(size, np.int32), np.zeros(size, np.int32)
    label = np.zeros(size, encoded.label.dtype)
    for row, item in enumerate(chosen):
        count, begin = encoded.length[item], encoded.prompt_length[item]
        own = min(count, width)
        tokens[row, :own] = encoded.tokens[item, :own]
        target[row, : count - begin] = encoded.tokens[item, begin:count]
        length[row], start[row], label[row] = count, begin, encoded.label[item]
    return Rows(tokens, length, start, target, label, np.arange(size, dtype=np.int32))


def prompt_frame(
    opening: Sequence[int] = (), closing: Sequence[int] = (), mask: int = 0
) -> PromptFrame:
    """A frame with its opening padded to a bucket; one token, the usual BOS, stays one."""
    size = len(opening) if len(opening) < 2 else bucket(len(opening))
    padded = np.zeros(size, np.int32)
    padded[: len(opening)] = opening
    length = np.array(len(opening), np.int32)
    return PromptFrame(padded, length, np.array(closing, np.int32), np.array(mask, np.int32))

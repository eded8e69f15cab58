"""Batches of encoded examples, and the frame of ids around their rows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.methods.method import Array
from research.tasks.encoding.encoded import Encoded, Labels


class Rows(NamedTuple):
    """Rows of one batch; a row of length 0 is padding and has no weight.

    Attributes:
        tokens: [B, T] prompt and target ids, padded on the right.
        length: [B] tokens of prompt and target.
        prompt_length: [B] tokens of the prompt; the target is `tokens[prompt_length:length]`.
        target: [B, L] the target's ids again, padded on the right.
        label: [B] the right class, or the right number in float32.
        row_index: [B] index of the row in the whole batch, from which its random key is derived.
        states: kept states of the frozen trunk, see `research.evaluation.trunk`; None for none.
        choices: ids [B, C, L] and lengths [B, C] of each row's own choices, 0 where it has fewer;
            None where the rows share their labels or have none.
    """

    tokens: Array
    length: Array
    prompt_length: Array
    target: Array
    label: Array
    row_index: Array
    states: Any = None
    choices: Labels | None = None


class PromptFrame(NamedTuple):
    """The ids around every row of a batch.

    Attributes:
        prefix_ids: [S] ids before each row: BOS or CLS, then demonstrations, then padding.
        prefix_length: [] how many of them are no padding; a single id never is.
        suffix_ids: [E] ids after each row: EOS or SEP; none for a causal model.
        mask: [] the id of the mask token, where there is one.
        states: kept states that all rows share; () for none.
        prefix: result of `Adapted.prefix`; None where each batch computes it.
    """

    prefix_ids: Array
    prefix_length: Array
    suffix_ids: Array
    mask: Array
    states: tuple[Array, ...] = ()
    prefix: Any = None


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
    """The padded length for `length` tokens: few sizes, so few shapes are compiled.

    Beyond the last of `BUCKETS` it is a multiple of that, so that any context is reached.
    """
    largest = BUCKETS[-1]
    beyond = -(-length // largest) * largest
    return next((size for size in BUCKETS if size >= length), beyond)


def padded_width(length: int, widths: Sequence[int] = ()) -> int:
    """The padded width for `length` tokens: its bucket, or the next of `widths`, if there is one.

    widths: those chosen by `research.evaluation.widths`; none where every bucket may be used.
    """
    size = bucket(length)
    return min((width for width in widths if width >= size), default=size)


MOST_TOKENS = 65_536  # of the prompts of a batch with padding: 32 rows of 2,048 tokens


def batch_size_at(width: int, size: int, multiple: int = 1) -> int:
    """Rows of a batch of this width: `size`, or fewer if their tokens would be too many.

    Keys and values of all layers are stored for every token. The result is a multiple of
    `multiple`, and is halved until the tokens are few enough, so that few shapes are compiled.

    Args:
        width: tokens of a row.
        size: the largest number of rows, a multiple of `multiple`.
        multiple: number of devices over which the rows are split.
    """
    while size > multiple and size * width > MOST_TOKENS:
        size = -(-size // 2 // multiple) * multiple
    return size


def extents(encoded: Encoded, frame: PromptFrame) -> NDArray:
    """Positions of each row in training, [I], suffix included.

    A target follows its prompt where there is no suffix; else it is apart from the prompt.
    """
    suffix = len(frame.suffix_ids)
    return encoded.prompt_length + suffix if suffix else encoded.length


def prompt_width(
    encoded: Encoded, indices: NDArray, suffix: int = 0, widths: Sequence[int] = ()
) -> int:
    """The padded width of a batch of prompts without targets and suffix, which it leaves room for.

    widths: as in `padded_width`, with the suffix.
    """
    longest = int(encoded.prompt_length[indices].max(initial=1))
    return padded_width(longest + suffix, widths) - suffix


def batch_rows(
    encoded: Encoded,
    indices: np.ndarray,
    size: int,
    width: int,
    targets: int,
    choices: tuple[int, int] | None = None,
) -> Rows:
    """The examples at `indices` as `size` rows of `width` tokens and `targets` target ids.

    A width that holds only the prompts truncates `tokens` before their targets.

    Args:
        encoded: the examples.
        indices: of the rows.
        size: number of rows with padding.
        width: tokens of a row.
        targets: tokens of a target.
        choices: (C, L) to pad the rows' own choices to; None for those of all examples and for the
            bucket of the longest of these.
    """
    tokens = np.zeros((size, width), np.int32)
    target = np.zeros((size, targets), np.int32)
    length, prompt_length = np.zeros(size, np.int32), np.zeros(size, np.int32)
    label = np.zeros(size, encoded.label.dtype)
    for row, item in enumerate(indices):
        count, begin = encoded.length[item], encoded.prompt_length[item]
        visible = min(count, width)
        tokens[row, :visible] = encoded.tokens[item, :visible]
        target[row, : count - begin] = encoded.tokens[item, begin:count]
        length[row], prompt_length[row], label[row] = count, begin, encoded.label[item]
    order = np.arange(size, dtype=np.int32)
    rows = Rows(tokens, length, prompt_length, target, label, order)
    if encoded.choices is None:
        return rows
    return rows._replace(choices=_choices(encoded.choices.targets, indices, size, choices))


def choices_shape(targets: Labels, indices: np.ndarray) -> tuple[int, int]:
    """(C, L) of a batch: choices of a row of all examples, and the longest of these, padded."""
    return targets.length.shape[1], bucket(int(targets.length[indices].max(initial=1)))


def _choices(
    targets: Labels, indices: np.ndarray, size: int, shape: tuple[int, int] | None
) -> Labels:
    """The choices of the examples at `indices` as those of `size` rows."""
    most, width = shape or choices_shape(targets, indices)
    _, columns, longest = targets.tokens.shape
    visible = min(width, longest)
    tokens, length = np.zeros((size, most, width), np.int32), np.zeros((size, most), np.int32)
    tokens[: len(indices), :columns, :visible] = targets.tokens[indices, :, :visible]
    length[: len(indices), :columns] = targets.length[indices]
    return Labels(tokens, length)


def prompt_frame(
    prefix_ids: Sequence[int] = (), suffix_ids: Sequence[int] = (), mask: int = 0
) -> PromptFrame:
    """A frame with its prefix padded to a bucket; a single id, the usual BOS, is not padded."""
    size = len(prefix_ids) if len(prefix_ids) < 2 else bucket(len(prefix_ids))
    padded = np.zeros(size, np.int32)
    padded[: len(prefix_ids)] = prefix_ids
    length = np.array(len(prefix_ids), np.int32)
    return PromptFrame(padded, length, np.array(suffix_ids, np.int32), np.array(mask, np.int32))

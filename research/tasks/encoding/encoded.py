"""Token ids of a task: its labels, and the rows to train on and score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

# What the score of a text is divided by: nothing, the tokens of its target, or its bytes.
Normalisation = Literal["sum", "tokens", "bytes"]


class Labels(NamedTuple):
    """The candidate targets of a task: tokens [C, L], of which `length` [C] are real.

    By the head's route a class is its place, and there is one token that means nothing.
    """

    tokens: NDArray
    length: NDArray


class LabelTexts(NamedTuple):
    """Every text of every label, K of them: their targets as labels of their own, the class that
    owns each [K], and its size [K] in UTF-8 bytes, without space and end.
    """

    targets: Labels
    owner: NDArray
    size: NDArray


@dataclass(frozen=True)
class Encoded:
    """Rows of a prompt and the target of the right label, padded with 0 on the right.

    What stands in the padding means nothing: no result may depend on it. neutral: prompts without
    an input, by which rows are calibrated; of each, one row for all rows or one for each.
    """

    tokens: NDArray  # [I, T] int32
    length: NDArray  # [I] int32: tokens of prompt and target
    prompt_length: NDArray  # [I] int32: tokens of the prompt, so the target is tokens[start:length]
    label: NDArray  # [I] int32: index into the task's labels, or 0; float32: the right number
    cut: int  # how many prompts were cut to fit
    references: tuple[tuple[str, ...], ...] = ()  # of each row, where the answer is a text
    neutral: tuple["Encoded", ...] = ()

    @property
    def longest_target(self) -> int:
        """Tokens of the longest target."""
        return int((self.length - self.prompt_length).max(initial=0))

    def head(self, count: int) -> "Encoded":
        """The first `count` rows."""
        rows = {n: getattr(self, n)[:count] for n in ("tokens", "length", "prompt_length", "label")}
        neutral = tuple(one.head(count) for one in self.neutral)
        return replace(self, **rows, references=self.references[:count], neutral=neutral)


def pad_rows(rows: Sequence[Sequence[int]]) -> tuple[NDArray, NDArray]:
    """(ids [I, T] int32 padded with 0 on the right, lengths [I] int32)."""
    length = np.array([len(row) for row in rows], np.int32)
    tokens = np.zeros((len(rows), max(map(len, rows), default=0)), np.int32)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = row
    return tokens, length

"""Token ids of a task: label targets, and rows to train on and score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Divisor of a text's score: none, the tokens of its target, or its UTF-8 bytes or characters.
Normalisation = Literal["sum", "tokens", "bytes", "characters"]


class Labels(NamedTuple):
    """Candidate targets of a task. On the head route each has one meaningless token.

    Attributes:
      tokens: ids [C, L], padded.
      length: number of tokens [C] without padding.
    """

    tokens: NDArray
    length: NDArray


class LabelTexts(NamedTuple):
    """All K texts of all labels.

    Attributes:
      targets: target of each text.
      owner: class index [K] of each text.
      size: UTF-8 bytes [K] of each text, without space and end.
      characters: characters [K] of each text, likewise.
    """

    targets: Labels
    owner: NDArray
    size: NDArray
    characters: NDArray


class RowChoices(NamedTuple):
    """The choices of each row, at most C, where items have their own.

    Attributes:
      targets: ids [I, C, L], padded, and lengths [I, C]; 0 where a row has fewer choices.
      size: UTF-8 bytes [I, C] of each text, without space and end.
      characters: characters [I, C] of each text, likewise.
    """

    targets: Labels
    size: NDArray
    characters: NDArray

    def of_rows(self, rows: slice | NDArray) -> "RowChoices":
        """The choices of some rows."""
        targets = Labels(*(part[rows] for part in self.targets))
        return RowChoices(targets, self.size[rows], self.characters[rows])


@dataclass(frozen=True)
class Encoded:
    """Rows of a prompt and its correct target, padded with 0 on the right.

    No result may depend on the padding.

    Attributes:
      tokens: ids [I, T] int32.
      length: tokens [I] int32 of prompt and target.
      prompt_length: tokens [I] int32 of the prompt; the target is tokens[prompt_length:length].
      label: class index [I] int32 (0 where there are no labels), number [I] float32, or index of
        the right choice [I] int32.
      cut: number of truncated prompts.
      references: correct texts of each row where the answer is a text.
      neutral: content-free prompts for calibration; each has one row for all rows, or one per row.
      choices: those of each row, where items have their own.
    """

    tokens: NDArray
    length: NDArray
    prompt_length: NDArray
    label: NDArray
    cut: int
    references: tuple[tuple[str, ...], ...] = ()
    neutral: tuple["Encoded", ...] = ()
    choices: RowChoices | None = None

    @property
    def longest_target(self) -> int:
        """Length of the longest target in tokens."""
        return int((self.length - self.prompt_length).max(initial=0))

    def head(self, count: int) -> "Encoded":
        """The first `count` rows."""
        rows = {n: getattr(self, n)[:count] for n in ("tokens", "length", "prompt_length", "label")}
        neutral = tuple(rows.head(count) for rows in self.neutral)
        choices = None if self.choices is None else self.choices.of_rows(slice(count))
        references = self.references[:count]
        return replace(self, **rows, references=references, neutral=neutral, choices=choices)


def pad_rows(rows: Sequence[Sequence[int]]) -> tuple[NDArray, NDArray]:
    """Ids [I, T] int32, padded with 0 on the right, and lengths [I] int32."""
    length = np.array([len(row) for row in rows], np.int32)
    tokens = np.zeros((len(rows), max(map(len, rows), default=0)), np.int32)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = row
    return tokens, length

"""Encoder of tasks whose items have their own choices."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.tasks.encoding.encoded import Encoded, Labels, RowChoices, pad_rows
from research.tasks.encoding.encoder import Before, Encoder
from research.tasks.encoding.tokenization import following_ids
from research.tasks.example import Example


@dataclass(frozen=True)
class ChoiceEncoder(Encoder):
    """Rows with the targets of their own choices; a row's target is the right one's.

    On the head route no target is predicted: the head reads each choice after the prompt.
    Raises InputError for the masked route, and for a choice without tokens.
    """

    def __post_init__(self) -> None:
        if self.route == "masked":
            allowed = (
                "a masked language model would fill each choice into as many masks as it has "
                "tokens; choices are scored by decoders, by T5 and by the method 'head'"
            )
            raise InputError("route", self.route, allowed)
        super().__post_init__()

    def examples(self, examples: Sequence[Example], before: Before = ()) -> Encoded:
        """As by `Encoder.examples`, with the choices of each row."""
        rows = super().examples(examples, before)
        return replace(rows, choices=self.choices(examples))

    def choices(self, examples: Sequence[Example]) -> RowChoices:
        """The choices of each example, padded to C choices of L tokens."""
        ids = self._choice_ids(examples)
        tokens, length = pad_rows([choice for row in ids for choice in row])
        shape = (len(examples), max(map(len, ids), default=0))
        present = np.arange(shape[1])[None] < np.array([len(row) for row in ids])[:, None]
        padded = np.zeros((*shape, tokens.shape[1]), np.int32)
        padded[present] = tokens
        texts = [text for example in examples for text in example.choices]
        return RowChoices(
            targets=Labels(padded, _padded(present, length)),
            characters=_padded(present, [len(text) for text in texts]),
            size=_padded(present, [len(text.encode()) for text in texts]),
        )

    def neutral(self, prompt: str, before: Before, rows: Encoded) -> Encoded:
        """A fixed prompt for each row, whose choices follow it."""
        fixed, count = self.ready(prompt, before), len(rows.length)
        each = np.arange(count) if len(fixed.length) == count else np.zeros(count, int)
        names = ("tokens", "length", "prompt_length")
        arrays = {name: getattr(fixed, name)[each] for name in names}
        return replace(fixed, **arrays, label=rows.label, choices=rows.choices)

    def _choice_ids(self, examples: Sequence[Example]) -> list[list[list[int]]]:
        """Ids to score of each choice of each example."""
        wording = self.wording
        end = wording.answer_end if self.route == "causal" and self.target_end else ""
        end_ids = list(self.special_tokens.end) if self.target_end else []
        texts = [text for example in examples for text in example.choices]
        starts = [wording.answer_start, *(wording.answer_start + text for text in texts)]
        nothing, *bare = following_ids(self.tokenizer, starts, wording.before_target)
        for text, ids in zip(texts, bare, strict=True):
            if ids in ([], nothing):
                allowed = "the tokenizer makes no tokens of it, so it has no score"
                raise InputError("choice", text, allowed)
        if end:
            ended = [f"{start}{end}" for start in starts[1:]]
            bare = following_ids(self.tokenizer, ended, wording.before_target)
        targets = iter(ids + end_ids for ids in bare)
        return [[*islice(targets, len(example.choices))] for example in examples]

    def _written(self, examples: Sequence[Example]) -> list[list[int]]:
        if self.route == "head":
            return super()._written(examples)
        choices = self._choice_ids(examples)
        return [ids[example.right_choice] for example, ids in zip(examples, choices, strict=True)]

    def _reserved_for(self, examples: Sequence[Example]) -> int:
        """Positions of the longest choice. Raises InputError where it leaves none for a prompt."""
        choices = self._choice_ids(examples)
        longest = max((len(ids) for row in choices for ids in row), default=0)
        if longest >= self.room:
            number = max(range(len(choices)), key=lambda i: max(map(len, choices[i])))
            row = choices[number]
            text = examples[number].choices[max(range(len(row)), key=lambda i: len(row[i]))]
            allowed = f"it takes {longest} tokens, and a row has {self.room} for prompt and choice"
            raise InputError("choice", text, allowed)
        return longest

    def reserved(self, targets: Sequence[Sequence[int]] = ()) -> int:
        return max(map(len, targets), default=0)

    def _neutral_target(self) -> list[int]:
        """None: the choices of a row follow a fixed prompt."""
        return []

    def _label(self, examples: Sequence[Example]) -> NDArray:
        return np.array([example.right_choice for example in examples], np.int32)


def _padded(present: NDArray, values: Sequence[int] | NDArray) -> NDArray:
    """The values of all choices as [I, C] int32, 0 where a row has fewer."""
    padded = np.zeros(present.shape, np.int32)
    padded[present] = values
    return padded

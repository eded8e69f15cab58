"""From examples to token ids: rows to train on and score, label ids, few-shot openings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from research.errors import InputError
from research.tasks.form import Form, Route, form
from research.tasks.task import Example
from research.tasks.template import Template
from research.tasks.verbalizer import Verbalizer


class Labels(NamedTuple):
    """The candidate targets of a task: tokens [C, L], of which `length` [C] are real.

    By the head's route a class is its place, and there is one token that means nothing.
    """

    tokens: NDArray
    length: NDArray


@dataclass(frozen=True)
class Encoded:
    """Rows of a prompt and the target of the right label, padded with 0 on the right.

    What stands in the padding means nothing: no result may depend on it.
    """

    tokens: NDArray  # [I, T] int32
    length: NDArray  # [I] int32: tokens of prompt and target
    start: NDArray  # [I] int32: tokens of the prompt, so the target is tokens[start:length]
    label: NDArray  # [I] int32: index into the task's labels
    cut: int  # how many prompts were cut to fit

    def head(self, count: int) -> "Encoded":
        """The first `count` rows."""
        rows = {n: getattr(self, n)[:count] for n in ("tokens", "length", "start", "label")}
        return replace(self, **rows)


@dataclass(frozen=True)
class Encoder:
    """Turns the examples of one task into ids for one model.

    Prompt and target are tokenized separately, without special tokens, and joined as ids. What
    surrounds all rows alike, such as a beginning-of-text token, stands in their frame. A causal
    target ends in the verbalizer's end, a seq2seq one in EOS; in the masked route the end, without
    white space, stands after the masks; the head's route has no targets.
    Raises InputError where two labels cannot be told apart by their ids, and for a tokenizer
    without the special tokens that the route needs.
    """

    tokenizer: PreTrainedTokenizerBase
    template: Template
    verbalizer: Verbalizer
    labels: tuple[str, ...]
    room: int  # positions of a row: the model's context less the frame
    too_long: Literal["error", "cut"] = "error"
    separator: str = "\n"  # after each demonstration, behind the end of its target
    route: Route = "causal"

    def __post_init__(self) -> None:
        if self.too_long not in ("error", "cut"):
            raise InputError("too_long", self.too_long, "allowed are error, cut")
        if self.route != "head":
            self._check_targets()

    def _check_targets(self) -> None:
        for label, ids in self._targets.items():
            for other, longer in self._targets.items():
                begun = longer if self.route == "masked" else longer[: len(ids)]
                if label != other and begun == ids:
                    allowed = (
                        f"its {len(ids)} tokens also begin the target of label {other!r}; "
                        "change a text, or the end of the verbalizer to one the tokenizer keeps"
                    )
                    raise InputError(
                        f"verbalizer[{label!r}]", self.verbalizer.texts[label], allowed
                    )

    @cached_property
    def form(self) -> Form:
        """The special tokens around rows and targets."""
        return form(self.route, self.tokenizer)

    @cached_property
    def closing(self) -> list[int]:
        """The ids after every prompt, or after the masks that follow it."""
        end = self.verbalizer.end.strip() if self.route == "masked" else ""
        return (self._continuation(end) if end else []) + list(self.form.closing)

    def label_tokens(self) -> Labels:
        """The targets of all labels, in their order."""
        if self.route == "head":
            count = len(self.labels)
            return Labels(np.zeros((count, 1), np.int32), np.ones(count, np.int32))
        return Labels(*_pad([self._targets[label] for label in self.labels]))

    def longest(self, examples: Sequence[Example]) -> int:
        """Positions that the longest of these rows takes with the longest label, nothing cut."""
        prompts = self._prompts([example.fields for example in examples])
        return max(map(len, prompts), default=0) + self._longest_target

    def examples(self, examples: Sequence[Example]) -> Encoded:
        """The rows of these examples; each has room for the longest label.

        Raises InputError for rows that are too long, unless they are to be cut, and where not
        even the template fits. Only the columns are cut, from their ends, the longest first.
        """
        limit = self.room - self._longest_target
        fields = [example.fields for example in examples]
        prompts = self._prompts(fields)
        long = [row for row, ids in enumerate(prompts) if len(ids) > limit]
        if long and self.too_long == "error":
            longest = max(map(len, prompts))
            raise InputError(
                "too_long",
                "error",
                f"{len(long)} of {len(prompts)} prompts are longer than the {limit} tokens left "
                f"beside frame and label, the longest has {longest}; 'cut' cuts and counts them",
            )
        for row, ids in zip(long, self._cut([fields[row] for row in long], limit), strict=True):
            prompts[row] = ids
        targets = [self._targets[example.label] for example in examples]
        rows = [prompt + target for prompt, target in zip(prompts, targets, strict=True)]
        tokens, length = _pad(rows)
        start = np.array([len(ids) for ids in prompts], np.int32)
        index = {label: place for place, label in enumerate(self.labels)}
        label = np.array([index[example.label] for example in examples], np.int32)
        return Encoded(tokens, length, start, label, cut=len(long))

    def opening(self, demonstrations: Sequence[Example]) -> list[int]:
        """What begins a text, if the tokenizer has it, then each demonstration and a separator."""
        ids = list(self.form.opening)
        prompts = self._prompts([example.fields for example in demonstrations])
        for example, prompt in zip(demonstrations, prompts, strict=True):
            target = self._continuation(self.verbalizer.target(example.label))
            ids += prompt + target + self._separator
        return ids

    @cached_property
    def _targets(self) -> dict[str, list[int]]:
        """The ids that are trained on and scored for each label."""
        if self.route == "head":
            return {label: [] for label in self.labels}
        causal, end = self.route == "causal", list(self.form.end)
        texts = self.verbalizer.target if causal else self.verbalizer.continuation
        return {label: self._continuation(texts(label)) + end for label in self.labels}

    @cached_property
    def _longest_target(self) -> int:
        return max(map(len, self._targets.values()))

    @cached_property
    def _separator(self) -> list[int]:
        return self._continuation(self.separator) if self.separator else []

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)
        return encoded["input_ids"]

    def _prompts(self, fields: Sequence[Mapping[str, str]]) -> list[list[int]]:
        return self._ids([self.template.fill(values) for values in fields])

    def _continuation(self, text: str) -> list[int]:
        """The ids of a text that follows another one.

        These are the ids of the text alone, except for tokenizers that put a space of their own
        at the beginning of whatever they are given.
        """
        alone, before, both = self._ids([text, "x", "x" + text])
        return both[len(before) :] if both[: len(before)] == before else alone

    def _cut(self, fields: Sequence[Mapping[str, str]], limit: int) -> list[list[int]]:
        """Prompts of at most `limit` tokens, made of shorter fields."""
        current = [dict(values) for values in fields]
        prompts = self._prompts(current)
        while long := [row for row, ids in enumerate(prompts) if len(ids) > limit]:
            starts = {
                n: self._starts([current[row][n] for row in long]) for n in self.template.names
            }
            for place, row in enumerate(long):
                excess = len(prompts[row]) - limit
                self._shorten(current[row], {n: s[place] for n, s in starts.items()}, excess, limit)
            for row, ids in zip(long, self._prompts([current[row] for row in long]), strict=True):
                prompts[row] = ids
        return prompts

    def _starts(self, texts: Sequence[str]) -> list[list[int]]:
        """For each text, the character at which each of its tokens begins."""
        encoded = self.tokenizer(
            list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        return [[begin for begin, _ in offsets] for offsets in encoded["offset_mapping"]]

    def _shorten(
        self, values: dict[str, str], starts: dict[str, list[int]], excess: int, limit: int
    ) -> None:
        """Takes `excess` tokens from the ends of the fields, one by one from the longest."""
        keep = {name: len(begins) for name, begins in starts.items()}
        if sum(keep.values()) <= excess:
            without = len(self._prompts([dict.fromkeys(values, "")])[0])
            allowed = (
                f"it takes {without} tokens without any text, and {limit} are left for a prompt"
            )
            raise InputError("template", self.template.text, allowed)
        for _ in range(excess):
            keep[max(keep, key=keep.__getitem__)] -= 1
        for name, begins in starts.items():
            if keep[name] < len(begins):
                # At least one character goes, so that the loop of the caller ends.
                end = min(begins[keep[name]], len(values[name]) - 1)
                values[name] = values[name][:end].rstrip()


def _pad(rows: Sequence[Sequence[int]]) -> tuple[NDArray, NDArray]:
    """(ids [I, T] int32 padded with 0 on the right, lengths [I] int32)."""
    length = np.array([len(row) for row in rows], np.int32)
    tokens = np.zeros((len(rows), max(map(len, rows), default=0)), np.int32)
    for place, row in enumerate(rows):
        tokens[place, : len(row)] = row
    return tokens, length

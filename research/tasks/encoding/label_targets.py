"""Targets of a task's labels as token ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from research.common.errors import InputError
from research.tasks.encoding.encoded import Labels, LabelTexts, pad_rows
from research.tasks.encoding.special_tokens import Bos
from research.tasks.encoding.tokenization import following_ids
from research.tasks.encoding.wording import Wording


@dataclass(frozen=True)
class LabelTargets:
    """The targets of all label texts.

    Attributes:
      by_label: (text, ids to score) pairs of each label; the first is trained on.
    """

    by_label: Mapping[str, Sequence[tuple[str, list[int]]]]

    def trained(self, label: str) -> list[int]:
        """Ids of a label's target that is trained on."""
        return self.by_label[label][0][1]

    @property
    def longest(self) -> int:
        """Tokens of the longest target."""
        return max(len(ids) for texts in self.by_label.values() for _, ids in texts)

    def label_tokens(self) -> Labels:
        """The target of each label that is trained on, in the order of the labels."""
        return Labels(*pad_rows([self.trained(label) for label in self.by_label]))

    def texts(self) -> LabelTexts:
        """The targets of all label texts, grouped by label."""
        texts = [(i, *pair) for i, pairs in enumerate(self.by_label.values()) for pair in pairs]
        return LabelTexts(
            targets=Labels(*pad_rows([ids for _, _, ids in texts])),
            owner=np.array([i for i, _, _ in texts]),
            size=np.array([len(text.encode()) for _, text, _ in texts]),
            characters=np.array([len(text) for _, text, _ in texts]),
        )

    def check_distinct(self, whole: bool) -> None:
        """Raises InputError for a label text whose tokens begin another's.

        Its score is never lower than the other's.

        Args:
          whole: compare whole targets alone, as on the masked route.
        """
        texts = [
            (label, text, ids) for label, pairs in self.by_label.items() for text, ids in pairs
        ]
        # The first two label texts by each beginning that can be the whole ids of another.
        beginnings: dict[tuple[int, ...], dict[str, str]] = {}
        lengths = {len(ids) for _, _, ids in texts}
        for label, text, ids in texts:
            for length in {len(ids)} if whole else lengths:
                owners = beginnings.setdefault(tuple(ids[:length]), {})
                if len(owners) < 2:
                    owners.setdefault(text, label)
        for label, text, ids in texts:
            for other_text, other in beginnings[tuple(ids)].items():
                if text != other_text:
                    allowed = (
                        f"its {len(ids)} tokens also begin the target of label {other!r}; "
                        "change a text, or the end of the verbalizer to one the tokenizer keeps"
                    )
                    raise InputError(f"verbalizer[{label!r}]", text, allowed)


@dataclass(frozen=True)
class HeadTargets:
    """The targets of the outputs of a head, which have no tokens.

    Attributes:
      outputs: number of outputs.
    """

    outputs: int
    longest: ClassVar[int] = 0

    def trained(self, label: str) -> list[int]:
        """The ids of a label's target: none."""
        del label
        return []

    def label_tokens(self) -> Labels:
        """A target without meaning for each output."""
        return Labels(np.zeros((self.outputs, 1), np.int32), np.ones(self.outputs, np.int32))

    def texts(self) -> LabelTexts:
        """A target without meaning for each output, which is its own owner."""
        sizes = np.ones(self.outputs, np.int32)
        return LabelTexts(self.label_tokens(), np.arange(self.outputs), sizes, sizes)


def label_targets(
    wording: Wording, labels: Sequence[str], bos: Bos, target_end: bool
) -> LabelTargets | HeadTargets:
    """The targets of labels: each text as the wording writes an answer, and the ids that end it.

    Raises InputError for a label text without tokens, and for one whose tokens begin another's.

    Args:
      wording: the texts of prompts and targets.
      labels: in the order of the class indices.
      bos: whether BOS stands before a causal row.
      target_end: whether a target contains the end that follows it.
    """
    if wording.route == "head":
        return HeadTargets(len(labels) or 1)
    _check_scored(wording, labels)
    texts = _label_texts(wording, labels)
    start, prompt_end = wording.answer_start, wording.before_target
    end = wording.answer_end if wording.route == "causal" and target_end else ""
    end_ids = wording.special_tokens(bos).end if target_end else ()
    answers = [f"{start}{text}{end}" for _, text in texts]
    by_label: dict[str, list[tuple[str, list[int]]]] = {label: [] for label in labels}
    ids = following_ids(wording.tokenizer, answers, prompt_end)
    for (label, text), target_ids in zip(texts, ids, strict=True):
        by_label[label].append((text, [*target_ids, *end_ids]))
    targets = LabelTargets(by_label)
    targets.check_distinct(whole=wording.route == "masked")
    return targets


def _label_texts(wording: Wording, labels: Sequence[str]) -> list[tuple[str, str]]:
    """(label, text) of each text of each label."""
    return [(label, text) for label in labels for text in wording.verbalizer.all(label)]


def _check_scored(wording: Wording, labels: Sequence[str]) -> None:
    """Raises InputError for a label text without tokens, whose score is 0, above all others."""
    texts, start = _label_texts(wording, labels), wording.answer_start
    starts = [start, *(f"{start}{text}" for _, text in texts)]
    nothing, *ids = following_ids(wording.tokenizer, starts, wording.before_target)
    for (label, text), text_ids in zip(texts, ids, strict=True):
        if text_ids in ([], nothing):
            allowed = "the tokenizer makes no tokens of it, so it has no score"
            raise InputError(f"verbalizer[{label!r}]", text, allowed)

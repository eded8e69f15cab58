"""Targets of a task's labels as token ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.encoded import Labels, LabelTexts, pad_rows
from research.tasks.encoding.tokenization import following_ids
from research.tasks.prompts.verbalizer import Verbalizer


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


def label_targets(
    tokenizer: Tokenizer,
    labels: Sequence[str],
    verbalizer: Verbalizer,
    surroundings: tuple[str, str],
    end_ids: Sequence[int],
    prompt_end: str = "x",
) -> LabelTargets:
    """The targets of labels: each text within `surroundings`, then `end_ids`.

    Text and surroundings are tokenized together, as they are after the text `prompt_end`.
    """
    texts = [(label, text) for label in labels for text in verbalizer.all(label)]
    start, end = surroundings
    ids = following_ids(tokenizer, [f"{start}{text}{end}" for _, text in texts], prompt_end)
    targets: dict[str, list[tuple[str, list[int]]]] = {label: [] for label in labels}
    for (label, text), target_ids in zip(texts, ids, strict=True):
        targets[label].append((text, [*target_ids, *end_ids]))
    return LabelTargets(targets)


def check_scored(
    tokenizer: Tokenizer,
    labels: Sequence[str],
    verbalizer: Verbalizer,
    start: str = " ",
    prompt_end: str = "x",
) -> None:
    """Raises InputError for a label text without tokens, whose score is 0, above all others.

    `start` stands before the text, `prompt_end` before both.
    """
    texts = [(label, text) for label in labels for text in verbalizer.all(label)]
    starts = [start, *(f"{start}{text}" for _, text in texts)]
    nothing, *ids = following_ids(tokenizer, starts, prompt_end)
    for (label, text), text_ids in zip(texts, ids, strict=True):
        if text_ids in ([], nothing):
            allowed = "the tokenizer makes no tokens of it, so it has no score"
            raise InputError(f"verbalizer[{label!r}]", text, allowed)


def head_labels(count: int) -> Labels:
    """Meaningless targets of the classes of a head."""
    return Labels(np.zeros((count, 1), np.int32), np.ones(count, np.int32))

"""F1 of extracted entities and relations: exact texts and types, micro-averaged over the items."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.tasks.metrics.extraction import parse_extraction
from research.tasks.metrics.text import TextMetric

EXTRACTION_METRICS = ("entity_f1", "relation_f1")


def check_references(metric: str, split: str, answers: Sequence[Sequence[str]]) -> None:
    """Raises InputError unless each example of a split has one answer, in the format.

    Args:
      metric: in `EXTRACTION_METRICS`.
      split: name of the split.
      answers: the references of each example.
    """
    for number, references in enumerate(answers, start=1):
        if len(references) > 1:
            allowed = f"the metric {metric!r} compares with one answer"
            raise InputError(f"example {number} of {split}", references, allowed)
        for text in references:
            try:
                parse_extraction(text, strict=True)
            except ValueError as error:
                allowed = f"the metric {metric!r} reads entities and relations ({error})"
                raise InputError(f"example {number} of {split}", text, allowed) from error
    if split == "test" and metric not in extraction_metrics(answers):
        allowed = f"no answer of {split} names one, so the score says nothing"
        raise InputError("metric", metric, allowed)


def extraction_metrics(answers: Sequence[Sequence[str]]) -> dict[str, TextMetric]:
    """The metrics of single items by name, of what any of these answers names."""
    texts = [text for references in answers for text in references]
    return {
        name: partial(_item_score, name)
        for name in EXTRACTION_METRICS
        if any(_counts(name, "", text)[1] for text in texts)
    }


def extraction_score(
    name: str, outputs: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, NDArray]:
    """Micro-averaged F1 of all items and the scores [I] with each item left out, from 0 to 1.

    2 TP / (predicted + gold), with the counts of all items summed; 1 where both are 0.

    Args:
      name: in `EXTRACTION_METRICS`.
      outputs: I generated texts.
      references: of each output; the first is the answer.
    """
    pairs = zip(outputs, references, strict=True)
    counts = np.array([_counts(name, output, answer[0]) for output, answer in pairs])
    total = counts.sum(axis=0)
    if len(counts) == 1:
        return float(_f1(total)), _f1(counts)
    return float(_f1(total)), _f1(total - counts)


def _item_score(name: str, output: str, references: Sequence[str]) -> float:
    """The F1 of one item, see `extraction_score`."""
    return float(_f1(np.array(_counts(name, output, references[0]))))


def _counts(name: str, output: str, reference: str) -> tuple[int, int]:
    """(number of right answers, number of predicted and gold ones)."""
    field = "entities" if name == "entity_f1" else "relations"
    predicted = getattr(parse_extraction(output), field)
    gold = getattr(parse_extraction(reference), field)
    return (predicted & gold).total(), predicted.total() + gold.total()


def _f1(counts: NDArray) -> NDArray:
    """F1 [...] of counts [..., 2] of right ones, and of predicted and gold ones."""
    right, both = counts[..., 0], counts[..., 1]
    return np.where(both > 0, 2 * right / np.maximum(both, 1), 1.0)

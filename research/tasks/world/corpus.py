"""The pretraining text: an endless seeded stream of documents, and exercises drawn from the same."""

from collections.abc import Iterator
from typing import Literal

from research.errors import InputError, choose_from
from research.tasks.world.documents import DOCUMENTS, LABELLED, Item
from research.tasks.world.draw import Draw

VERSION = 1  # raise it when any text of the world changes, and re-make research/assets/world-1m
SPLITS = ("train", "heldout")
GAPS = ("\n", "\n\n")  # between the items of a document

Split = Literal["train", "heldout"]


def corpus(seed: int = 0, split: Split = "train") -> Iterator[str]:
    """Documents without end, deterministic in (seed, split); none holds a text of a task.

    Raises InputError for another split.
    """
    draw = _draw(seed, "corpus", split)
    while True:
        items = draw.weighted(DOCUMENTS)(draw)
        yield draw.pick(GAPS).join(item.prompt + item.answer for item in items)


def exercises(seed: int = 0, split: Split = "train") -> Iterator[Item]:
    """Prompts and answers without end, from documents of labelled items up to one item's answer.

    Half of the prompts hold nothing but that item, the others one or two items before it. The
    answer ends in a line end. Raises InputError for another split.
    """
    draw = _draw(seed, "exercises", split)
    while True:
        items = draw.weighted(LABELLED)(draw)
        before = 0 if draw.chance(0.5) else draw.below(min(3, len(items)))
        *earlier, last = items[: before + 1]
        told = [item.prompt + item.answer for item in earlier]
        yield Item(draw.pick(GAPS).join([*told, last.prompt]), last.answer + "\n")


def _draw(seed: int, stream: str, split: Split) -> Draw:
    if split not in SPLITS:
        raise InputError("split", split, choose_from(SPLITS, split))
    return Draw(seed, stream, split)

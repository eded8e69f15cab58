"""The pretraining text: endless seeded streams of documents and of single exercises."""

from collections.abc import Iterator
from typing import Literal

from research.common.errors import InputError, choose_from
from research.tasks.world.documents import DOCUMENTS, EXERCISES, Item
from research.tasks.world.draw import Draw

VERSION = 2  # raise it when any text of the world changes, and re-make research/assets/world-1m
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
    """Labelled items without end, each in a wording of its own; their answers end in a line end.

    Raises InputError for another split.
    """
    draw = _draw(seed, "exercises", split)
    while True:
        item = draw.weighted(EXERCISES)(draw, 1)[0]
        yield Item(item.prompt, item.answer + "\n")


def _draw(seed: int, stream: str, split: Split) -> Draw:
    if split not in SPLITS:
        raise InputError("split", split, choose_from(SPLITS, split))
    return Draw(seed, stream, split)

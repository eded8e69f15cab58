"""The pretraining text: infinite seeded streams of documents and of single exercises."""

from collections.abc import Iterator
from typing import Literal

from research.common.errors import check_choice
from research.tasks.world.documents import DOCUMENTS, EXERCISES, Item
from research.tasks.world.draw import Draw

VERSION = 2  # increase it if any text changes, and make research/assets/world-1m again
SPLITS = ("train", "heldout")
GAPS = ("\n", "\n\n")  # between the items of a document

Split = Literal["train", "heldout"]


def corpus(seed: int = 0, split: Split = "train") -> Iterator[str]:
    """An infinite stream of documents, deterministic in (seed, split), without texts of tasks.

    Raises InputError for an unknown split.
    """
    check_choice("split", split, SPLITS)
    draw = Draw(seed, "corpus", split)
    while True:
        items = draw.weighted(DOCUMENTS)(draw)
        yield draw.pick(GAPS).join(item.prompt + item.answer for item in items)


def exercises(seed: int = 0) -> Iterator[Item]:
    """An infinite stream of labelled items, each in a random wording; answers end in a newline."""
    draw = Draw(seed, "exercises", "train")
    while True:
        item = draw.weighted(EXERCISES)(draw, 1)[0]
        yield Item(item.prompt, item.answer + "\n")

"""The examples that splits are drawn from."""

from collections.abc import Iterable
from typing import NamedTuple

from research.tasks.example import Example, text_key


class Pools(NamedTuple):
    """Examples that splits are drawn from, without duplicates and texts of the test splits.

    Attributes:
      train: pool of train.
      dev: pool of dev; empty where dev is drawn from train.
      dropped: number of examples removed from both.
    """

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    dropped: int


def pools_without(
    tests: Iterable[Example], train: tuple[Example, ...], dev: tuple[Example, ...]
) -> Pools:
    """The pools of these examples, of which dev keeps the first of equal texts.

    Args:
      tests: examples of test splits, whose texts are in no pool.
      train: examples for train.
      dev: examples for dev.
    """
    seen = {text_key(example) for example in tests}
    dev_pool = _unseen(dev, seen)
    train_pool = _unseen(train, seen)
    dropped = len(dev) + len(train) - len(dev_pool) - len(train_pool)
    return Pools(train_pool, dev_pool, dropped)


def _unseen(examples: Iterable[Example], seen: set[tuple[str, ...]]) -> tuple[Example, ...]:
    """The examples whose text is not in `seen`, to which they are added."""
    unseen = []
    for example in examples:
        key = text_key(example)
        if key not in seen:
            seen.add(key)
            unseen.append(example)
    return tuple(unseen)

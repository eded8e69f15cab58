"""Data regimes (16-shot, 500 examples, all) and seeded splits."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.tasks.example import Example, examples_to_json
from research.tasks.task import Task, task_checksum


@dataclass(frozen=True)
class Regime:
    """Amount of labelled data.

    Attributes:
      kind: "shot": `count` per class; "size": `count` in total; "all": everything.
      count: number of examples; 0 for "all".
    """

    kind: Literal["shot", "size", "all"]
    count: int = 0

    @classmethod
    def parse(cls, value: "str | int | Regime") -> "Regime":
        """Parses `"16-shot"`, `500`, `"500"` or `"all"`; InputError for anything else."""
        if isinstance(value, Regime):
            return value
        match = re.fullmatch(r"([1-9][0-9]{0,11})(-shot)?", str(value))
        if match:
            return cls("shot" if match[2] else "size", int(match[1]))
        if value == "all":
            return cls("all")
        raise InputError("regime", value, "allowed are '16-shot' (per class), 500 (in all), 'all'")

    def __str__(self) -> str:
        """The text that `parse` reads."""
        return {"shot": f"{self.count}-shot", "size": str(self.count), "all": "all"}[self.kind]


@dataclass(frozen=True)
class Split:
    """A seeded draw of train and dev.

    Attributes:
      train: examples to train on.
      dev: examples to tune on.
      checksum: SHA-256 over both, in order.
      dropped: number of examples removed from the pools: duplicates and texts of a test split.
    """

    train: tuple[Example, ...]
    dev: tuple[Example, ...]
    checksum: str
    dropped: int = 0


def draw(task: Task, regime: Regime, seed: int, max_dev: int = 256) -> Split:
    """The seeded split of a task, the same on every platform and for every template.

    k-shot draws k examples per class, in rounds of one example per class, or k in total where
    there are no classes; other regimes draw uniformly. dev is drawn in the same way, from the
    task's dev pool if it has one and else from train. It is as large as train, at most `max_dev`
    (but at least one per class). Train, dev and the test splits share no text. With the same seed,
    a larger train contains the smaller ones. Raises InputError where the pools are too small.
    """
    if seed < 0 or max_dev < 1:
        name, value = ("seed", seed) if seed < 0 else ("max_dev", max_dev)
        raise InputError(name, value, "seed is at least 0, max_dev at least 1")
    if regime.kind == "shot":
        train, dev = _balanced(task, regime, seed, max_dev)
    else:
        train, dev = _plain(task, regime, seed, max_dev)
    digest = task_checksum({"train": examples_to_json(train), "dev": examples_to_json(dev)})
    return Split(tuple(train), tuple(dev), digest, task.pools.dropped)


def _balanced(
    task: Task, regime: Regime, seed: int, max_dev: int
) -> tuple[list[Example], list[Example]]:
    shots, dev_shots = regime.count, min(regime.count, max(1, max_dev // len(task.strata)))
    chosen = []
    for index, label in enumerate(task.strata):
        train, dev = _shuffled_pools(task, label, seed, index)
        who = "there are" if label is None else f"class {label!r} has"
        _check_size(regime, task, who, len(train), shots, dev_shots)
        if len(dev) < dev_shots:
            allowed = (
                f"{who} {len(dev)} examples in dev, {dev_shots} are needed; "
                "a task without dev draws it from train"
            )
            raise InputError("regime", str(regime), allowed)
        chosen.append((train[:shots], dev[:dev_shots]))
    parts = zip(*chosen, strict=True)
    train, dev = ([e for turn in zip(*part, strict=True) for e in turn] for part in parts)
    return train, dev


def _plain(
    task: Task, regime: Regime, seed: int, max_dev: int
) -> tuple[list[Example], list[Example]]:
    train, dev = _shuffled_pools(task, None, seed, 0)
    if regime.kind == "size":
        size, dev_size = regime.count, min(regime.count, max_dev)
    elif task.pools.dev:
        size, dev_size = len(train), max_dev
    else:
        dev_size = min(max_dev, len(train) // 2)
        size = len(train) - dev_size
    _check_size(regime, task, "there are", len(train), max(size, 1), max(dev_size, 1))
    return train[:size], dev[:dev_size]


def _check_size(
    regime: Regime, task: Task, who: str, available: int, size: int, dev_size: int
) -> None:
    """Raises InputError where train is too small for train and, without a dev pool, for dev."""
    needed, also = size, ""
    if not task.pools.dev:
        needed, also = size + dev_size, f" and {dev_size} for dev"
    if available < needed:
        allowed = f"{who} {available} examples to draw from, needed are {size} for train{also}"
        raise InputError("regime", str(regime), allowed)


def _shuffled_pools(
    task: Task, label: str | None, seed: int, stream: int
) -> tuple[list[Example], list[Example]]:
    """Shuffled (train, dev) of a class, or of all examples for None.

    Without a dev pool, dev is train in reverse order, so that neither changes when the other grows.
    """
    pools = task.pools

    def members(pool: Iterable[Example]) -> list[Example]:
        return [e for e in pool if label is None or task.stratum(e) == label]

    train = shuffled(members(pools.train), seed, stream, 0)
    dev = shuffled(members(pools.dev), seed, stream, 1)
    return train, dev if pools.dev else train[::-1]


def shuffled(examples: list[Example], *key: int) -> list[Example]:
    """The examples in a random order that depends only on the key of non-negative integers."""
    return [examples[index] for index in order(len(examples), *key)]


def at_most(examples: tuple[Example, ...], most: int | None) -> tuple[Example, ...]:
    """A fixed random sample of `most` examples, in their original order; None for all.

    Raises InputError for a number below 1.
    """
    if most is None:
        return examples
    if most < 1:
        raise InputError("most_test", most, "a whole number from 1, or None")
    return tuple(examples[i] for i in sorted(order(len(examples), 0, 0, 0)[:most]))


def order(size: int, *key: int) -> NDArray:
    """A permutation [size] that depends only on the key.

    It sorts raw PCG64 output, the part of numpy's random streams that is guaranteed stable.
    """
    bits = np.random.PCG64(np.random.SeedSequence(key)).random_raw(size)
    return np.argsort(bits, kind="stable")

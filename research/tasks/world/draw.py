"""A seeded stream of choices, the only source of chance in the world; the same everywhere."""

import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np

T = TypeVar("T")
Share = Literal["core", "other", "all"]


class Draw:
    """Choices from the raw 64-bit words of PCG64, whose stream numpy promises never to change."""

    def __init__(self, seed: int, *names: str, tasks: bool = False):
        """A stream of its own for every seed and every series of names, for tasks or corpus."""
        self.tasks = tasks
        entropy = [seed, *(zlib.crc32(name.encode()) for name in names)]
        self._bits = np.random.PCG64(np.random.SeedSequence(entropy))

    def below(self, count: int) -> int:
        """A whole number from 0 to count - 1."""
        return int(self._bits.random_raw()) % count

    def chance(self, probability: float) -> bool:
        return self.below(1 << 20) < probability * (1 << 20)

    def pick(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def weighted(self, options: Sequence[tuple[int, T]]) -> T:
        """One of (weight, option) pairs, whole weights."""
        point = self.below(sum(weight for weight, _ in options))
        for weight, option in options:
            if point < weight:
                return option
            point -= weight
        raise AssertionError("unreachable: the point lies below the sum of the weights")

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different options in random order."""
        left = list(options)
        return [left.pop(self.below(len(left))) for _ in range(count)]

    def say(self, pattern: str, **slots: str | Sequence[str]) -> str:
        """The pattern with each {slot} filled: a string as it is, a list by one of its entries."""
        named = {name: slots[name] for name in slots if f"{{{name}}}" in pattern}
        chosen = {k: v if isinstance(v, str) else self.pick(v) for k, v in named.items()}
        return pattern.format(**chosen)

    def owned(self, make: Callable[[], str]) -> str:
        """A clause that may be told here: one in four is for tasks only, by its checksum.

        Every text has such a clause, so no text of a task can stand in the corpus. `make` needs
        a choice of about fifty clauses or more, or it may never make one for the tasks.
        """
        while True:
            clause = make()
            for_tasks = hashlib.sha256(clause.encode()).digest()[0] % 4 == 0
            if for_tasks == self.tasks:
                return clause


def part(options: Sequence[T], share: Share) -> Sequence[T]:
    """The core share (even places) of a list, the other share (odd places), or all of it."""
    return {"core": options[::2], "other": options[1::2], "all": options}[share]


def sentence(text: str) -> str:
    """The text with a capital at its head and a full stop at its end."""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".?!" else ".")


def a(noun: str) -> str:
    """The noun with its indefinite article."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun

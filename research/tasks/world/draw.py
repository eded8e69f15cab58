"""A seeded stream of random choices, the same on every machine."""

import hashlib
import zlib
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np

T = TypeVar("T")
Share = Literal["core", "other", "all"]


class Draw:
    """Random choices from the raw 64-bit words of PCG64, a stream that numpy keeps stable.

    Attributes:
        tasks: Whether the texts are for tasks, or else for the corpus.
    """

    def __init__(self, seed: int, *names: str, tasks: bool = False):
        """A separate stream for each seed and sequence of names."""
        self.tasks = tasks
        entropy = [seed, *(zlib.crc32(name.encode()) for name in names)]
        self._bits = np.random.PCG64(np.random.SeedSequence(entropy))

    def below(self, count: int) -> int:
        """A whole number from 0 to count - 1."""
        return int(self._bits.random_raw()) % count

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.below(1 << 20) < probability * (1 << 20)

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all with equal probability."""
        return options[self.below(len(options))]

    def weighted(self, options: Sequence[tuple[int, T]]) -> T:
        """The option of one of the (weight, option) pairs; weights are integers."""
        point = self.below(sum(weight for weight, _ in options))
        for weight, option in options:
            if point < weight:
                return option
            point -= weight
        raise AssertionError("unreachable: the point is below the sum of the weights")

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different options in random order."""
        remaining = list(options)
        return [remaining.pop(self.below(len(remaining))) for _ in range(count)]

    def say(self, pattern: str, **slots: str | Sequence[str]) -> str:
        """The pattern with each {slot} replaced by its string, or by an entry of its list."""
        used = {name: slots[name] for name in slots if f"{{{name}}}" in pattern}
        values = {k: v if isinstance(v, str) else self.pick(v) for k, v in used.items()}
        return pattern.format(**values)

    def owned(self, make: Callable[[], str]) -> str:
        """A clause of this side, tasks or corpus; by its checksum, one in four is for tasks only.

        Every text has such a clause, so no text of a task is in the corpus. `make` needs at least
        about fifty different clauses, or there may be none for tasks.
        """
        while True:
            clause = make()
            for_tasks = hashlib.sha256(clause.encode()).digest()[0] % 4 == 0
            if for_tasks == self.tasks:
                return clause


def part(options: Sequence[T], share: Share) -> Sequence[T]:
    """The core share of a list (even indices), the other share (odd indices), or all of it."""
    return {"core": options[::2], "other": options[1::2], "all": options}[share]


def sentence(text: str) -> str:
    """The text with a capital first letter and a full stop at its end."""
    return text[0].upper() + text[1:] + ("" if text[-1] in ".?!" else ".")


def a(noun: str) -> str:
    """The noun with its indefinite article."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun

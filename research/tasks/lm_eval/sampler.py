"""The choice of demonstrations, equal to that of lm-evaluation-harness."""

import random
from collections.abc import Sequence

from research.common.errors import InputError
from research.tasks.lm_eval.document import Row

SEED = 1234  # the harness's `fewshot_random_seed`
SAMPLERS = ("default", "first_n")


class DemonstrationSampler:
    """Chooses demonstrations for one row after the other; the order of the rows matters.

    Args:
        pool: rows to choose from.
        count: number of demonstrations.
        sampler: "default" samples for each row, "first_n" takes the first rows of the pool.
        excludes: whether a row is no demonstration of itself.
    """

    def __init__(self, pool: Sequence[Row], count: int, sampler: str, excludes: bool):
        if sampler not in SAMPLERS:
            raise InputError("sampler", sampler, f"allowed are {', '.join(SAMPLERS)}")
        drawn = count + excludes if sampler == "default" else count
        if len(pool) < drawn:
            allowed = f"there are {len(pool)} rows to choose {drawn} demonstrations from"
            raise InputError("num_fewshot", count, allowed)
        self._pool, self._count, self._sampler, self._excludes = pool, count, sampler, excludes
        self._random = random.Random(SEED)

    def choose(self, row: Row) -> list[Row]:
        """The demonstrations of the next row."""
        if self._count == 0:
            return []
        if self._sampler == "first_n":
            return self._others(self._pool, row)
        size = len(self._pool)
        indices = self._random.sample(range(size), self._count + self._excludes)
        chosen = self._others([self._pool[index] for index in indices], row)
        if len(chosen) == self._count:
            return chosen
        pool = [other for other in self._pool if other != row]
        if len(pool) < self._count:
            allowed = f"there are {len(pool)} rows beside the row itself"
            raise InputError("num_fewshot", self._count, allowed)
        return [pool[index] for index in self._random.sample(range(len(pool)), self._count)]

    def _others(self, rows: Sequence[Row], row: Row) -> list[Row]:
        """The first rows that are not the row itself."""
        others = [other for other in rows if other != row] if self._excludes else list(rows)
        return others[: self._count]

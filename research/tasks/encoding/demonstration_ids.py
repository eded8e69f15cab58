"""The ids of demonstrations: before all rows alike, or before each row its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from research.tasks.encoding.demonstrations import (
    Choice,
    demonstrations,
    nearest_demonstrations,
    random_demonstrations,
)
from research.tasks.encoding.encoder import Before, Encoder
from research.tasks.task import Example

Splits = Sequence[Sequence[Example]]


@dataclass(frozen=True)
class DemonstrationIds:
    """opening: ids before all rows. before: for each split, the ids before each of its rows, none
    where rows have none of their own. count: demonstrations before a row, and added: their tokens,
    means over the last split where rows differ. further: the ids before the rows of other examples.
    """

    prefix_ids: list[int]
    before: tuple[Before, ...]
    count: int = 0
    added: int = 0
    further: Callable[[Sequence[Example]], Before] = lambda examples: ()

    @property
    def longest(self) -> int:
        """Positions of the longest that stands before a row."""
        return len(self.prefix_ids) + max((len(ids) for of in self.before for ids in of), default=0)


def demonstration_ids(
    encoder: Encoder, choice: Choice, splits: Splits, seed: int, most: int | None = None
) -> DemonstrationIds:
    """Demonstrations out of the first of the splits, for all of them; at most `most`, or as many
    as fit beside the longest row: rounds of one per class if they are balanced.

    Where rows may be cut, demonstrations leave them half of the room at least.
    """
    train, room = splits[0], encoder.room
    if most == 0:
        return DemonstrationIds(encoder.prefix_ids(()), ((),) * len(splits))
    longest = encoder.longest([*chain(*splits)])
    beside = room - (longest if encoder.too_long == "error" else min(longest, room // 2))
    if choice == "nearest":
        return _own(encoder, splits, beside, most)
    choose = demonstrations if choice == "balanced" else random_demonstrations
    chosen = choose(encoder, train, beside, seed, most)
    opening = encoder.prefix_ids(chosen)
    added = len(opening) - len(encoder.prefix_ids(()))
    return DemonstrationIds(opening, ((),) * len(splits), len(chosen), added)


def _own(encoder: Encoder, splits: Splits, room: int, most: int | None) -> DemonstrationIds:
    """The nearest demonstrations of each row."""
    train, opening = splits[0], encoder.prefix_ids(())

    def nearest(room: int, examples: Sequence[Example]) -> list[list[list[int]]]:
        return nearest_demonstrations(encoder, train, examples, room, most)

    chosen = [nearest(room, examples) for examples in splits]
    before = tuple([[*chain(*one)] for one in part] for part in chosen)
    longest = max(len(ids) for part in before for ids in part) + len(opening)
    rows = len(chosen[-1])
    return DemonstrationIds(
        opening,
        before,
        round(sum(map(len, chosen[-1])) / rows),
        round(sum(map(len, before[-1])) / rows),
        lambda examples: [[*chain(*one)] for one in nearest(longest, examples)],
    )

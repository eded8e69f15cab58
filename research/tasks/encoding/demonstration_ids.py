"""Token ids of demonstrations: shared by all rows, or chosen per row."""

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
    """Token ids before the rows of each split.

    Attributes:
      prefix_ids: ids before all rows.
      before: for each split, the ids before each of its rows; empty where no row has its own.
      count: demonstrations per row; the mean over the last split where rows differ.
      added: tokens of the demonstrations per row; likewise.
      further: function from other examples to the ids before their rows.
    """

    prefix_ids: list[int]
    before: tuple[Before, ...]
    count: int = 0
    added: int = 0
    further: Callable[[Sequence[Example]], Before] = lambda examples: ()

    @property
    def longest(self) -> int:
        """Length of the longest ids before a row."""
        return len(self.prefix_ids) + max(
            (len(ids) for rows in self.before for ids in rows), default=0
        )


def demonstration_ids(
    encoder: Encoder, choice: Choice, splits: Splits, seed: int, most: int | None = None
) -> DemonstrationIds:
    """Demonstrations drawn from the first split, for all splits.

    There are at most `most` (rounds of one per class if balanced), or as many as fit beside the
    longest row. Where rows may be truncated, demonstrations leave at least half of the room.
    """
    train, room = splits[0], encoder.room
    if most == 0:
        return DemonstrationIds(encoder.prefix_ids(()), ((),) * len(splits))
    longest = encoder.longest([*chain(*splits)])
    beside = room - (longest if encoder.too_long == "error" else min(longest, room // 2))
    if choice == "nearest":
        return _per_row(encoder, splits, beside, most)
    choose = demonstrations if choice == "balanced" else random_demonstrations
    chosen = choose(encoder, train, beside, seed, most)
    prefix_ids = encoder.prefix_ids(chosen)
    added = len(prefix_ids) - len(encoder.prefix_ids(()))
    return DemonstrationIds(
        prefix_ids=prefix_ids, before=((),) * len(splits), count=len(chosen), added=added
    )


def _per_row(encoder: Encoder, splits: Splits, room: int, most: int | None) -> DemonstrationIds:
    """The nearest demonstrations of each row."""
    train, prefix_ids = splits[0], encoder.prefix_ids(())

    def nearest(room: int, examples: Sequence[Example]) -> list[list[list[int]]]:
        return nearest_demonstrations(encoder, train, examples, room, most)

    chosen = [nearest(room, examples) for examples in splits]
    before = tuple([[*chain(*ids)] for ids in split] for split in chosen)
    longest = max(len(ids) for split in before for ids in split) + len(prefix_ids)
    rows = len(chosen[-1])
    return DemonstrationIds(
        prefix_ids=prefix_ids,
        before=before,
        count=round(sum(map(len, chosen[-1])) / rows),
        added=round(sum(map(len, before[-1])) / rows),
        further=lambda examples: [[*chain(*ids)] for ids in nearest(longest, examples)],
    )

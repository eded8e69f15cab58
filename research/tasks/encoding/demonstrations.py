"""Choice of the demonstrations before a row."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal

from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.nearest import by_nearness
from research.tasks.sampling import shuffled
from research.tasks.task import Example

Choice = Literal["balanced", "random", "nearest"]


def demonstrations(
    encoder: Encoder, train: Sequence[Example], room: int, seed: int, most: int | None = None
) -> tuple[Example, ...]:
    """Balanced demonstrations: as many as fit into `room` positions, shuffled by the seed.

    They are drawn from `train` in at most `most` rounds of one example per class (of one example
    where the answer is a text). Room is the model's context minus `encoder.longest(rows to score)`.
    An example longer than its class's share of the room is skipped. May return none.
    """
    left = room - len(encoder.prefix_ids(()))
    share = max(0, left // max(1, len(encoder.labels)))
    candidates = []
    for index, label in enumerate(encoder.labels or (None,)):
        ordered = shuffled([e for e in train if label in (None, e.label)], seed, index, 2)
        # Each takes at least one position, so at most `share` are needed.
        candidates.append(_fitting(encoder, ordered[:share], share))
    chosen: list[Example] = []
    for turn in islice(zip(*candidates, strict=False), most):
        size = sum(size for _, size in turn)
        if size > left:
            break
        left -= size
        chosen += [example for example, _ in turn]
    return tuple(shuffled(chosen, seed, 0, 3))


def _fitting(
    encoder: Encoder, examples: Sequence[Example], share: int
) -> Iterator[tuple[Example, int]]:
    """The examples of at most `share` positions as demonstrations, with their sizes."""
    prefix = len(encoder.prefix_ids(()))
    for example in examples:
        size = len(encoder.prefix_ids((example,))) - prefix
        if size <= share:
            yield example, size


def random_demonstrations(
    encoder: Encoder, train: Sequence[Example], room: int, seed: int, most: int | None = None
) -> tuple[Example, ...]:
    """Random demonstrations regardless of class: at most `most`, in the order of the draw.

    An example that does not fit beside the earlier ones is skipped.
    """
    drawn = shuffled(list(train), seed, 0, 4)
    sizes = map(len, encoder.demonstrations(drawn))
    left = room - len(encoder.prefix_ids(()))
    return tuple(drawn[i] for i in _packed(list(sizes), range(len(drawn)), left, most))


def nearest_demonstrations(
    encoder: Encoder,
    train: Sequence[Example],
    examples: Sequence[Example],
    room: int,
    most: int | None = None,
) -> list[list[list[int]]]:
    """For each example, the ids of its at most `most` nearest examples of `train`, nearest last.

    An example that does not fit beside nearer ones is skipped; room is as in `demonstrations`.
    """
    ids = encoder.demonstrations(train)
    sizes = [len(row) for row in ids]
    left = room - len(encoder.prefix_ids(()))
    chosen = (_packed(sizes, order, left, most) for order in by_nearness(train, examples))
    return [[ids[i] for i in reversed(indices)] for indices in chosen]


def _packed(sizes: Sequence[int], order: Iterable[int], room: int, most: int | None) -> list[int]:
    """The first indices of `order`, at most `most`, whose sizes together fit the room."""
    chosen: list[int] = []
    smallest = min(sizes)
    for index in order:
        if len(chosen) == most or room < smallest:
            break
        if sizes[index] <= room:
            chosen.append(index)
            room -= sizes[index]
    return chosen

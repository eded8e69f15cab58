"""Which examples stand before a row, as demonstrations of the task."""

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
    """As many demonstrations as fit into an opening of `room` positions, shuffled by the seed.

    They are taken from `train` in rounds of one example per class (of one, where the answer is a
    text), at most `most` rounds. Room is the model's context less `encoder.longest(rows to score)`.
    An example that takes more than its class's share of the room is passed over. May return none.
    """
    left = room - len(encoder.prefix_ids(()))
    share = max(0, left // max(1, len(encoder.labels)))
    offers = []
    for index, label in enumerate(encoder.labels or (None,)):
        ordered = shuffled([e for e in train if label in (None, e.label)], seed, index, 2)
        # A demonstration takes a position at least, so no more than `share` are ever needed.
        offers.append(_fitting(encoder, ordered[:share], share))
    chosen: list[Example] = []
    for turn in islice(zip(*offers, strict=False), most):
        size = sum(size for _, size in turn)
        if size > left:
            break
        left -= size
        chosen += [example for example, _ in turn]
    return tuple(shuffled(chosen, seed, 0, 3))


def _fitting(
    encoder: Encoder, examples: Sequence[Example], share: int
) -> Iterator[tuple[Example, int]]:
    """The examples that take at most `share` positions as demonstrations, and their sizes."""
    beginning = len(encoder.prefix_ids(()))
    for example in examples:
        size = len(encoder.prefix_ids((example,))) - beginning
        if size <= share:
            yield example, size


def random_demonstrations(
    encoder: Encoder, train: Sequence[Example], room: int, seed: int, most: int | None = None
) -> tuple[Example, ...]:
    """The same, whatever their classes: at most `most` in all, in the order in which they were
    drawn. What does not fit beside those before it is passed over.
    """
    drawn = shuffled(list(train), seed, 0, 4)
    sizes = map(len, encoder.demonstrations(drawn))
    left = room - len(encoder.prefix_ids(()))
    return tuple(drawn[place] for place in _packed(list(sizes), range(len(drawn)), left, most))


def nearest_demonstrations(
    encoder: Encoder,
    train: Sequence[Example],
    examples: Sequence[Example],
    room: int,
    most: int | None = None,
) -> list[list[list[int]]]:
    """For each example the ids of the nearest ones of `train`, at most `most`, the nearest last.

    What does not fit beside nearer ones is passed over; room is as for the others.
    """
    written = encoder.demonstrations(train)
    sizes = [len(ids) for ids in written]
    left = room - len(encoder.prefix_ids(()))
    chosen = (_packed(sizes, places, left, most) for places in by_nearness(train, examples))
    return [[written[place] for place in reversed(places)] for places in chosen]


def _packed(sizes: Sequence[int], places: Iterable[int], room: int, most: int | None) -> list[int]:
    """Of these places, in their order, at most `most` whose sizes fit the room together."""
    chosen: list[int] = []
    smallest = min(sizes)
    for place in places:
        if len(chosen) == most or room < smallest:
            break
        if sizes[place] <= room:
            chosen.append(place)
            room -= sizes[place]
    return chosen

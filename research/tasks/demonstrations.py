"""Which examples stand before every row, as demonstrations of the task."""

from collections.abc import Iterator, Sequence
from itertools import islice

from research.tasks.encoding import Encoder
from research.tasks.sampling import shuffled
from research.tasks.task import Example


def demonstrations(
    encoder: Encoder, train: Sequence[Example], room: int, seed: int, most: int | None = None
) -> tuple[Example, ...]:
    """As many demonstrations as fit into an opening of `room` positions, shuffled by the seed.

    They are taken from `train` in rounds of one example per class (of one, where the answer is a
    text), at most `most` rounds. Room is
    the model's context less `encoder.longest(rows to score)`. An example that takes more than its
    class's share of the room is passed over. May return none.
    """
    left = room - len(encoder.opening(()))
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
    beginning = len(encoder.opening(()))
    for example in examples:
        size = len(encoder.opening((example,))) - beginning
        if size <= share:
            yield example, size

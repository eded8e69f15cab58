"""Demonstrations before a row: their choice, size and text."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Literal

from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.joint import TAIL
from research.tasks.encoding.nearest import by_nearness
from research.tasks.encoding.tokenization import following_ids, token_ids
from research.tasks.example import Example
from research.tasks.sampling import order, shuffled

Choice = Literal["balanced", "random", "nearest"]

HEAD = 16  # examples of each class among which one is short enough for a part of a round


def demonstration_text(encoder: Encoder, examples: Sequence[Example]) -> str:
    """The text before the content of a row with these demonstrations, marked."""
    wording = encoder.wording
    *pieces, last, _ = wording.pieces(len(examples))
    texts = [
        text
        for example in examples
        for text in (wording.content(example.fields), encoder.verbalizer.text(example.label))
    ]
    return "".join(chain.from_iterable(zip(pieces, texts, strict=True))) + last


def demonstration_sizes(encoder: Encoder, examples: Sequence[Example]) -> list[int]:
    """Tokens of each example as a demonstration that is tokenized alone."""
    wording, labels = encoder.wording, list(dict.fromkeys(example.label for example in examples))
    # The first of two demonstrations: a chat template may put the system turn after the last.
    _, start, end, *_ = wording.pieces(2)
    after = wording.marked(wording.layout.separator)
    end = end.removesuffix(after)
    answers = [f"{start}{encoder.verbalizer.text(label)}{end}" for label in labels]
    *sizes, separator = map(len, following_ids(encoder.tokenizer, [*answers, after]))
    answer_size = dict(zip(labels, sizes, strict=True))
    begin = wording.start[-TAIL:]  # may be tokenized otherwise, which makes no difference
    contents = [begin + wording.content(example.fields) for example in examples]
    first, *content_ids = token_ids(encoder.tokenizer, [begin, *contents])
    return [
        len(content) - len(first) + answer_size[example.label] + separator
        for example, content in zip(examples, content_ids, strict=True)
    ]


def demonstrations(
    encoder: Encoder, train: Sequence[Example], room: int, seed: int, most: int | None = None
) -> tuple[Example, ...]:
    """Balanced demonstrations: as many as fit into `room` positions, shuffled by the seed.

    They are drawn from `train` in at most `most` rounds of one example per class that has one left
    (of one example where the answer is a text). Room is the model's context minus the longest of
    `encoder.lengths(rows to score)`. An example longer than its class's share of the room is
    skipped. Where no round fits, the first one has as many classes as fit. May return none.
    """
    left = room - len(encoder.special_tokens.prefix_ids)
    classes = [
        shuffled(pool, seed, index, 2)
        for index, label in enumerate(encoder.labels or (None,))
        if (pool := [example for example in train if label in (None, example.label)])
    ]
    share = max(0, left // max(1, len(classes)))
    # Each takes at least one position, so at most `share` are needed.
    candidates = [_fitting(encoder, drawn[:share], share) for drawn in classes]
    chosen: list[Example] = []
    for _ in range(left if most is None else most):
        turn = [pair for pair in (next(fitting, None) for fitting in candidates) if pair]
        size = sum(size for _, size in turn)
        if not turn or size > left:
            break
        left -= size
        chosen += [example for example, _ in turn]
    if not chosen and most != 0:
        chosen = _part_of_a_round(encoder, shuffled_classes(classes, seed), left)
    return tuple(shuffled(chosen, seed, 0, 3))


def shuffled_classes(classes: list[list[Example]], seed: int) -> list[list[Example]]:
    """The classes in an order that depends on the seed."""
    return [classes[index] for index in order(len(classes), seed, 0, 6)]


def _part_of_a_round(encoder: Encoder, classes: list[list[Example]], room: int) -> list[Example]:
    """One example each of as many classes as fit, the first ones that have one short enough."""
    heads = [drawn[:HEAD] for drawn in classes]
    sizes = [demonstration_sizes(encoder, drawn) for drawn in heads]
    for count in range(len(classes), 0, -1):
        short = [
            next((e for e, size in zip(drawn, lengths, strict=True) if size * count <= room), None)
            for drawn, lengths in zip(heads, sizes, strict=True)
        ]
        chosen = [example for example in short if example is not None]
        if len(chosen) >= count:
            return chosen[:count]
    return []


def _fitting(
    encoder: Encoder, examples: Sequence[Example], share: int
) -> Iterator[tuple[Example, int]]:
    """The examples of at most `share` positions as demonstrations, with their sizes."""
    for example in examples:
        [size] = demonstration_sizes(encoder, [example])
        if size <= share:
            yield example, size


def random_demonstrations(
    encoder: Encoder, train: Sequence[Example], room: int, seed: int, most: int | None = None
) -> tuple[Example, ...]:
    """Random demonstrations regardless of class: at most `most`, in the order of the draw.

    An example that does not fit beside the earlier ones is skipped.
    """
    drawn = shuffled(list(train), seed, 0, 4)
    sizes = demonstration_sizes(encoder, drawn)
    left = room - len(encoder.special_tokens.prefix_ids)
    return tuple(drawn[i] for i in _packed(sizes, range(len(drawn)), left, most))


def nearest_demonstrations(
    encoder: Encoder,
    train: Sequence[Example],
    examples: Sequence[Example],
    room: int,
    most: int | None = None,
) -> list[list[Example]]:
    """For each example, its at most `most` nearest examples of `train`, nearest last.

    An example that does not fit beside nearer ones is skipped; room is as in `demonstrations`.
    """
    sizes = demonstration_sizes(encoder, train)
    left = room - len(encoder.special_tokens.prefix_ids)
    chosen = (_packed(sizes, order, left, most) for order in by_nearness(train, examples))
    return [[train[i] for i in reversed(indices)] for indices in chosen]


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

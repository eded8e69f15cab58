"""Texts of demonstrations: shared by all rows, or chosen per row."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from research.tasks.encoding.demonstrations import (
    Choice,
    demonstration_text,
    demonstrations,
    nearest_demonstrations,
    random_demonstrations,
)
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.joint import tokens_within
from research.tasks.encoding.prompt_encoder import Before
from research.tasks.encoding.tokenization import token_ids
from research.tasks.example import Example

Splits = Sequence[Sequence[Example]]

NEAR = 16  # no row grows by so many tokens where it is tokenized with its demonstrations


@dataclass(frozen=True)
class DemonstrationTexts:
    """Texts before the rows of each split.

    Attributes:
      before: for each split, the text before each of its rows; empty where there is none.
      shared: number of tokens that all rows have of their texts, whatever follows.
      count: demonstrations per row; the mean over the test split where rows differ.
      added: tokens per row beside its template: of demonstrations, instruction and chat; likewise.
    """

    before: tuple[Before, ...]
    shared: int = 0
    count: int = 0
    added: int = 0


def demonstration_texts(
    encoder: Encoder,
    choice: Choice,
    splits: Splits,
    seed: int,
    most: int | None = None,
    further: Splits = (),
) -> DemonstrationTexts:
    """Demonstrations drawn from the first split, for all splits and further ones.

    There are at most `most` (rounds of one per class if balanced), or as many as fit beside the
    longest row of `splits`. Where rows may be truncated, demonstrations leave at least half of the
    room; rows of `further` are truncated.
    """
    train, room = splits[0], encoder.room
    if most == 0:
        return _before_all(encoder, (), (*splits, *further))
    rows = [*chain(*splits)]
    lengths = encoder.lengths(rows)
    longest = max(lengths)
    beside = room - (longest if encoder.too_long == "error" else min(longest, room // 2))
    longest_rows = [
        example
        for example, length in zip(rows, lengths, strict=True)
        if encoder.too_long == "error" and length + NEAR > longest
    ]
    if choice == "nearest":
        return _per_row(encoder, splits, further, beside, most, longest_rows)
    choose = demonstrations if choice == "balanced" else random_demonstrations
    chosen = _fitted(encoder, choose(encoder, train, beside, seed, most), longest_rows)
    return _before_all(encoder, chosen, (*splits, *further))


def _before_all(encoder: Encoder, chosen: Sequence[Example], splits: Splits) -> DemonstrationTexts:
    """The same demonstrations before all rows."""
    text = demonstration_text(encoder, chosen)
    shared = tokens_within(encoder.tokenizer, text)
    before = tuple([text] * len(split) if text else () for split in splits)
    return DemonstrationTexts(before, shared, len(chosen), shared + _size_of_end(encoder))


def _size_of_end(encoder: Encoder) -> int:
    """Tokens between a row's content and its target."""
    prompt_end = encoder.wording.prompt_end
    return len(encoder.ids(prompt_end)) if prompt_end else 0


def _fitted(
    encoder: Encoder, chosen: Sequence[Example], rows: Sequence[Example]
) -> Sequence[Example]:
    """The last demonstrations beside which all rows fit: tokenized together they may be longer."""
    while chosen:
        lengths = encoder.lengths(rows, [demonstration_text(encoder, chosen)] * len(rows))
        if max(lengths, default=0) <= _room_of_row(encoder):
            break
        chosen = chosen[1:]
    return chosen


def _room_of_row(encoder: Encoder) -> int:
    """Positions of a row with its demonstrations, without the special tokens before it."""
    return encoder.room - len(encoder.special_tokens.prefix_ids)


def _per_row(
    encoder: Encoder,
    splits: Splits,
    further: Splits,
    room: int,
    most: int | None,
    longest_rows: Sequence[Example],
) -> DemonstrationTexts:
    """The nearest demonstrations of each row, the nearest of them last."""
    chosen = [
        nearest_demonstrations(encoder, splits[0], split, room, most)
        for split in (*splits, *further)
    ]
    near = {id(example) for example in longest_rows}
    for rows, split in zip(chosen, splits, strict=False):
        indices = [index for index, example in enumerate(split) if id(example) in near]
        texts = [demonstration_text(encoder, rows[index]) for index in indices]
        lengths = encoder.lengths([split[index] for index in indices], texts)
        for index, length in zip(indices, lengths, strict=True):
            if length > _room_of_row(encoder):
                rows[index] = [*_fitted(encoder, rows[index], [split[index]])]
    before = tuple([demonstration_text(encoder, row) for row in rows] for rows in chosen)
    test = len(splits) - 1
    sizes = [len(ids) for ids in token_ids(encoder.tokenizer, before[test])]
    start = encoder.wording.start
    alike = all(text.startswith(start) for texts in before for text in texts)
    return DemonstrationTexts(
        before=before,
        shared=tokens_within(encoder.tokenizer, start) if alike else 0,
        count=round(sum(map(len, chosen[test])) / len(sizes)),
        added=round(sum(sizes) / len(sizes)) + _size_of_end(encoder),
    )

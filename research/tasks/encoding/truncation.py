"""Truncation of prompts that are too long for the model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.joint import joined_ids
from research.tasks.encoding.tokenization import encode, marked, token_ids
from research.tasks.prompts.template import Template

TooLong = Literal["error", "cut"]  # of prompts that do not fit

# A field is first cut to so many characters for each token of a row, or to twice, four times as
# many where they give too few tokens.
CHARACTERS = 16


def clip(
    tokenizer: Tokenizer, fields: Sequence[Mapping[str, str]], most: int
) -> list[Mapping[str, str]]:
    """Columns without what stands after more than `most` tokens.

    Texts of megabytes are not tokenized as a whole, and are truncated as if they were.
    """
    return [
        {name: _clipped(tokenizer, text, max(1, most)) for name, text in values.items()}
        for values in fields
    ]


def _clipped(tokenizer: Tokenizer, text: str, most: int) -> str:
    size = CHARACTERS * most
    # The last tokens of a part may be others in the whole.
    while size < len(text) and len(token_ids(tokenizer, [text[:size]])[0]) < most + CHARACTERS:
        size *= 2
    return text[:size]


def truncate(
    tokenizer: Tokenizer,
    template: Template,
    fill: Callable[[Mapping[str, str]], str],
    fields: Sequence[Mapping[str, str]],
    limit: int,
    before: Sequence[str] = (),
) -> list[list[int]]:
    """Token ids of prompts of at most `limit` tokens, with the text `before` each of them.

    `fill` makes the marked text of a prompt from the fields of the template. Only the fields are
    truncated, at their ends, the longest field first. Raises InputError where the prompt does not
    fit without them.
    """
    current = [dict(values) for values in fields]
    prompts = joined_ids(tokenizer, before, [fill(values) for values in current])
    while long := [row for row, ids in enumerate(prompts) if len(ids) > limit]:
        starts = {n: _starts(tokenizer, [current[row][n] for row in long]) for n in template.names}
        for index, row in enumerate(long):
            begins = {name: starts[name][index] for name in template.names}
            keep = _kept_tokens(begins, len(prompts[row]) - limit)
            if keep is None:
                bare = fill(dict.fromkeys(template.names, ""))
                raise _no_room(tokenizer, template, bare, limit, before[row] if before else "")
            _shorten(current[row], begins, keep)
        texts = [fill(current[row]) for row in long]
        shortened = joined_ids(tokenizer, [before[row] for row in long if before], texts)
        for row, ids in zip(long, shortened, strict=True):
            prompts[row] = ids
    return prompts


def _starts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """For each text, the first character of each of its tokens."""
    return [[begin for begin, _ in row.offsets] for row in encode(tokenizer, texts)]


def marked_template(tokenizer: Tokenizer, template: Template) -> Template:
    """The template whose own special tokens stay special, see `marked`."""
    return Template(marked(tokenizer, template.text))


def _kept_tokens(starts: Mapping[str, list[int]], excess: int) -> dict[str, int] | None:
    """Tokens to keep of each field when `excess` are removed, one by one from the longest.

    None where nothing is left.
    """
    keep = {name: len(begins) for name, begins in starts.items()}
    if sum(keep.values()) <= excess:
        return None
    for _ in range(excess):
        keep[max(keep, key=keep.__getitem__)] -= 1
    return keep


def _shorten(
    values: dict[str, str], starts: Mapping[str, list[int]], keep: Mapping[str, int]
) -> None:
    for name, begins in starts.items():
        if keep[name] < len(begins):
            # Removes at least one character, so that the caller's loop ends.
            end = min(begins[keep[name]], len(values[name]) - 1)
            values[name] = values[name][:end].rstrip()


def _no_room(
    tokenizer: Tokenizer, template: Template, bare: str, limit: int, before: str
) -> InputError:
    without, used = map(len, token_ids(tokenizer, [bare, before]))
    left = limit - used
    allowed = f"it takes {without} tokens without any text, and {left} are left for a prompt"
    return InputError("template", template.text, allowed)

"""How rows are written for each route to a label's score."""

from dataclasses import dataclass
from typing import Literal

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer

Route = Literal["causal", "seq2seq", "masked", "head"]


@dataclass(frozen=True)
class SpecialTokens:
    """opening: ids before every row. closing: ids after every prompt and its masks. end: ids that
    end a target. mask: id of the mask token, 0 where there is none.
    """

    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    end: tuple[int, ...]
    mask: int


def special_tokens(route: Route, tokenizer: Tokenizer) -> SpecialTokens:
    """The special tokens of a route; raises InputError for a tokenizer that lacks one.

    causal: BOS, if there is one, before. seq2seq: EOS after the prompt and after the target.
    masked and head: CLS before and SEP after.
    """
    if route == "causal":
        first = tokenizer.bos_token_id
        return SpecialTokens((first,) if isinstance(first, int) else (), (), (), 0)
    if route == "seq2seq":
        end = _id(tokenizer, "eos")
        return SpecialTokens((), (end,), (end,), 0)
    mask = _id(tokenizer, "mask") if route == "masked" else 0
    return SpecialTokens((_id(tokenizer, "cls"),), (_id(tokenizer, "sep"),), (), mask)


def _id(tokenizer: Tokenizer, name: str) -> int:
    found = getattr(tokenizer, f"{name}_token_id")
    if not isinstance(found, int):
        raise InputError("tokenizer", tokenizer.name_or_path, f"it has no {name} token")
    return found

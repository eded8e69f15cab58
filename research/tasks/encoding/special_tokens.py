"""Special tokens of each route to a label's score."""

from dataclasses import dataclass
from typing import Literal

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer

Route = Literal["causal", "seq2seq", "masked", "head"]


@dataclass(frozen=True)
class SpecialTokens:
    """Special tokens around prompts and targets.

    Attributes:
      prefix_ids: ids before every row.
      suffix_ids: ids after every prompt and its masks.
      end: ids that end a target.
      mask: id of the mask token; 0 where there is none.
    """

    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    end: tuple[int, ...]
    mask: int


def special_tokens(route: Route, tokenizer: Tokenizer) -> SpecialTokens:
    """The special tokens of a route. Raises InputError for a tokenizer that lacks one.

    causal: BOS, if the tokenizer has it, before the row. seq2seq: EOS after the prompt and after
    the target. masked and head: CLS before and SEP after the prompt.
    """
    if route == "causal":
        first = tokenizer.bos_token_id
        return SpecialTokens(
            prefix_ids=(first,) if isinstance(first, int) else (), suffix_ids=(), end=(), mask=0
        )
    if route == "seq2seq":
        end = _id(tokenizer, "eos")
        return SpecialTokens(prefix_ids=(), suffix_ids=(end,), end=(end,), mask=0)
    mask = _id(tokenizer, "mask") if route == "masked" else 0
    return SpecialTokens(
        prefix_ids=(_id(tokenizer, "cls"),), suffix_ids=(_id(tokenizer, "sep"),), end=(), mask=mask
    )


def _id(tokenizer: Tokenizer, name: str) -> int:
    token_id = getattr(tokenizer, f"{name}_token_id")
    if not isinstance(token_id, int):
        raise InputError("tokenizer", tokenizer.name_or_path, f"it has no {name} token")
    return token_id

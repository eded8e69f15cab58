"""How rows are written for each route to a label's score."""

from dataclasses import dataclass
from typing import Literal

from transformers import PreTrainedTokenizerBase

from research.common.errors import InputError

Route = Literal["causal", "seq2seq", "masked", "head"]


@dataclass(frozen=True)
class Form:
    """opening: ids before every row. closing: ids after every prompt and its masks. end: ids that
    end a target. mask: id of the mask token, 0 where there is none.
    """

    opening: tuple[int, ...]
    closing: tuple[int, ...]
    end: tuple[int, ...]
    mask: int


def form(route: Route, tokenizer: PreTrainedTokenizerBase) -> Form:
    """The special tokens of a route; raises InputError for a tokenizer that lacks one.

    causal: BOS, if there is one, before. seq2seq: EOS after the prompt and after the target.
    masked and head: CLS before and SEP after.
    """
    if route == "causal":
        first = tokenizer.bos_token_id
        return Form((first,) if isinstance(first, int) else (), (), (), 0)
    if route == "seq2seq":
        end = _id(tokenizer, "eos")
        return Form((), (end,), (end,), 0)
    mask = _id(tokenizer, "mask") if route == "masked" else 0
    return Form((_id(tokenizer, "cls"),), (_id(tokenizer, "sep"),), (), mask)


def _id(tokenizer: PreTrainedTokenizerBase, name: str) -> int:
    found = getattr(tokenizer, f"{name}_token_id")
    if not isinstance(found, int):
        raise InputError("tokenizer", tokenizer.name_or_path, f"it has no {name} token")
    return found

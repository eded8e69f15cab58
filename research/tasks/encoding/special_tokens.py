"""Special tokens of each route to a label's score."""

from dataclasses import dataclass
from itertools import takewhile
from operator import itemgetter
from typing import Any, Literal, cast, get_args

from research.common.errors import InputError, check_choice
from research.common.tokenizer import Tokenizer

Route = Literal["causal", "seq2seq", "masked", "head"]

# Whether BOS stands before a causal row: as the tokenizer does with a text, or set by the user.
Bos = Literal["tokenizer", "always", "never"]


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


def special_tokens(route: Route, tokenizer: Tokenizer, bos: Bos = "tokenizer") -> SpecialTokens:
    """The special tokens of a route.

    causal: before the row the ids that the tokenizer puts before a text, or as `bos` says.
    seq2seq: EOS after the prompt and after the target. masked and head: CLS before and SEP after
    the prompt; head with a tokenizer that has neither, such as T5's or a decoder's: the ids that
    the tokenizer puts around a text, and EOS after the prompt if it puts none there. Raises
    InputError for a tokenizer that lacks one, and for `bos` on another route.
    """
    check_choice("bos", bos, get_args(Bos))
    if route == "causal":
        return SpecialTokens(_causal_prefix(tokenizer, bos), suffix_ids=(), end=(), mask=0)
    if bos != "tokenizer":
        raise InputError(
            "bos", bos, f"there is no choice on the {route} route; 'tokenizer' is expected"
        )
    if route == "seq2seq":
        end = _id(tokenizer, "eos")
        return SpecialTokens(prefix_ids=(), suffix_ids=(end,), end=(end,), mask=0)
    if route == "head" and tokenizer.cls_token_id is None and tokenizer.sep_token_id is None:
        before, after = _around_text(tokenizer)
        return SpecialTokens(before, after or (_id(tokenizer, "eos"),), end=(), mask=0)
    mask = _id(tokenizer, "mask") if route == "masked" else 0
    return SpecialTokens(
        prefix_ids=(_id(tokenizer, "cls"),), suffix_ids=(_id(tokenizer, "sep"),), end=(), mask=mask
    )


def first_id(tokenizer: Tokenizer) -> int:
    """BOS, or EOS without one: the id before a text that begins with nothing else.

    Raises InputError for a tokenizer with neither.
    """
    for token_id in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if isinstance(token_id, int):
            return token_id
    allowed = "nothing stands before the target: the tokenizer has neither BOS nor EOS"
    raise InputError("prompt", "", allowed)


def _causal_prefix(tokenizer: Tokenizer, bos: Bos) -> tuple[int, ...]:
    if bos == "never":
        return ()
    if bos == "always":
        return (_id(tokenizer, "bos"),)
    return _around_text(tokenizer)[0]


def _around_text(tokenizer: Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that the tokenizer puts (before, after) a text."""
    encoded = cast(Any, tokenizer("x", return_special_tokens_mask=True, verbose=False))
    ids = list(zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True))
    before = tuple(id for id, _ in takewhile(itemgetter(1), ids))
    after = tuple(id for id, _ in takewhile(itemgetter(1), reversed(ids[len(before) :])))
    return before, after[::-1]


def _id(tokenizer: Tokenizer, name: str) -> int:
    token_id = getattr(tokenizer, f"{name}_token_id")
    if not isinstance(token_id, int):
        raise InputError("tokenizer", tokenizer.name_or_path, f"it has no {name} token")
    return token_id

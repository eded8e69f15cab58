"""Tokenization in which special tokens come from a wording alone, never from a text.

`</s>`, `[SEP]` or `<|im_end|>` in a column are characters, not special tokens. In a template, an
end or a separator they are special tokens.
"""

import json
import re
import secrets
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.token_cache import TokenCache

if TYPE_CHECKING:
    from tokenizers import Tokenizer as BackendTokenizer

# Prefix of the names of special tokens in a marked text; no text has it by chance.
NONCE = secrets.token_hex(16)


class Encoding(NamedTuple):
    """Token ids of a text and the characters that each token stands for.

    Attributes:
      ids: token ids, without those that the tokenizer puts around a text.
      offsets: first character, and the one after the last, of each token.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, marked or not, without those that the tokenizer puts around it."""
    return _text_tokenizer(tokenizer).ids(texts)


def following_ids(tokenizer: Tokenizer, texts: Sequence[str], first: str = "x") -> list[list[int]]:
    """Token ids of each text as one that follows the text `first`.

    They equal the ids of the text alone, except for tokenizers that prepend a space to a text.
    Where the tokenizer joins both texts they are those after "x", or of the text alone.
    """
    [before] = token_ids(tokenizer, [first])
    rows = token_ids(tokenizer, [f"{first}{text}" for text in texts])
    joined = [row for row, ids in enumerate(rows) if ids[: len(before)] != before]
    others = [texts[row] for row in joined]
    others = token_ids(tokenizer, others) if first == "x" else following_ids(tokenizer, others)
    alone = dict(zip(joined, others, strict=True))
    return [alone.get(row, ids[len(before) :]) for row, ids in enumerate(rows)]


def are_apart(tokenizer: Tokenizer, first: str, texts: Sequence[str]) -> bool:
    """Whether the ids of the text `first` are the same before each of the texts as alone."""
    [before] = token_ids(tokenizer, [first])
    both = token_ids(tokenizer, [f"{first}{text}" for text in texts])
    return all(ids[: len(before)] == before for ids in both)


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Encoding]:
    """Token ids and offsets of each text, marked or not."""
    encoded = _text_tokenizer(tokenizer).encode(texts, return_offsets_mapping=True)
    return [*map(Encoding, encoded["input_ids"], encoded["offset_mapping"])]


def marked(tokenizer: Tokenizer, wording: str) -> str:
    """A wording whose special tokens stay special among texts; offsets count its characters."""
    return _text_tokenizer(tokenizer).marked(wording)


@lru_cache(maxsize=8)
def plain_vocabulary(tokenizer: Tokenizer) -> NDArray:
    """Ids [N] of all tokens except special tokens, ascending."""
    words = set(tokenizer.get_vocab().values()) - special_ids(tokenizer)
    return np.array(sorted(words), np.int32)


def special_ids(tokenizer: Tokenizer) -> set[int]:
    """Ids of all special tokens."""
    added = tokenizer.added_tokens_decoder.items()
    return {id for id, token in added if token.special} | set(tokenizer.all_special_ids)


@lru_cache(maxsize=8)
def _text_tokenizer(tokenizer: Tokenizer) -> "TextTokenizer":
    return TextTokenizer(tokenizer)


@dataclass(frozen=True)
class TextTokenizer:
    """A tokenizer and a copy of it in which special tokens have names that no text has.

    The copy encodes marked texts and those with the name of a special token, to the same ids.
    Skipping special tokens is not enough: Unigram and WordLevel models have them among their
    pieces, and would find them in a text.
    """

    tokenizer: Tokenizer

    @cached_property
    def names(self) -> dict[str, str]:
        """The name of each special token in the copy; a single character keeps its own."""
        added = self.tokenizer.added_tokens_decoder.items()
        special = {token.content: id for id, token in added if token.special}
        return {c: f"{NONCE}{id:08d}" for c, id in special.items() if len(c) > 1}

    @cached_property
    def _special(self) -> re.Pattern[str]:
        """Matches a special token in a wording."""
        return _pattern(self.names)

    @cached_property
    def _suspect(self) -> re.Pattern[str]:
        """Matches a normalised text that needs the copy."""
        return _pattern([NONCE, *map(_normalised, self.names)])

    def marked(self, wording: str) -> str:
        """The wording with the copy's names of its special tokens."""
        return self._special.sub(lambda match: self.names[match[0]], wording)

    @cached_property
    def ids(self) -> TokenCache:
        """The token ids of each text, marked or not; no text is tokenized twice."""
        return TokenCache(lambda texts: self.encode(texts)["input_ids"])

    def encode(self, texts: Sequence[str], **options: bool) -> Mapping[str, list[Any]]:
        """The encoding of each text, marked or not; `options` are those of the tokenizer."""
        if not texts:
            return {"input_ids": [], "offset_mapping": []}
        if not any(self._suspect.search(_normalised(text)) for text in texts):
            plain: Any = {"add_special_tokens": False, "verbose": False, **options}
            return cast(Any, self.tokenizer(list(texts), **plain))
        encodings = self._copy.encode_batch(list(texts), add_special_tokens=False)
        return {
            "input_ids": [encoding.ids for encoding in encodings],
            "offset_mapping": [encoding.offsets for encoding in encodings],
        }

    @cached_property
    def _copy(self) -> "BackendTokenizer":
        from tokenizers import Tokenizer as BackendTokenizer

        state = json.loads(cast(Any, self.tokenizer).backend_tokenizer.to_str())
        state |= {"truncation": None, "padding": None, "post_processor": None}
        for token in state["added_tokens"]:
            token["content"] = self.names.get(token["content"], token["content"])
        _rename_pieces(state["model"], self.names)
        copy = BackendTokenizer.from_str(json.dumps(state))
        for content, name in self.names.items():
            if copy.token_to_id(name) != self.tokenizer.convert_tokens_to_ids(content):
                allowed = f"its special token {content!r} cannot be told from the same characters"
                raise InputError("tokenizer", self.tokenizer.name_or_path, allowed)
        return copy


def _rename_pieces(model: dict[str, Any], names: Mapping[str, str]) -> None:
    """Gives the pieces of a model in tokenizer.json new names, and drops merges that make them."""
    if isinstance(model["vocab"], list):  # Unigram
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in model["vocab"]]
        return
    model["vocab"] = {names.get(piece, piece): id for piece, id in model["vocab"].items()}
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if "merges" in model:
        begin = len(model.get("continuing_subword_prefix") or "")
        pairs = (pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"])
        model["merges"] = [
            [left, right]
            for left, right in pairs
            if names.keys().isdisjoint((left, right, left + right[begin:]))
        ]


def _normalised(text: str) -> str:
    """The text, normalised at least as much as by any tokenizer."""
    return unicodedata.normalize("NFKC", text).casefold()


def _pattern(texts: Sequence[str] | Mapping[str, str]) -> re.Pattern[str]:
    """Matches the longest of the texts."""
    longest_first = sorted(filter(None, texts), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

"""The bytes that each token adds to a text."""

import json
import re
from collections.abc import Callable
from typing import Any, cast

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.tokenization import plain_vocabulary

BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def token_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """The bytes of each token by its id, none for special tokens and ids without a token.

    Their concatenation is the decoded text in UTF-8, except for white space at its beginning.
    Raises InputError for a tokenizer whose tokens depend on their neighbours, such as WordPiece.
    """
    to_bytes = _decoder(tokenizer)
    ids = plain_vocabulary(tokenizer).tolist()
    added = {id: token.content for id, token in tokenizer.added_tokens_decoder.items()}
    pieces = tokenizer.convert_ids_to_tokens(ids)
    values = [b""] * (max(ids, default=-1) + 1)
    for id, piece in zip(ids, pieces, strict=True):
        values[id] = added[id].encode() if id in added else to_bytes(piece)
    return values


def _decoder(tokenizer: Tokenizer) -> Callable[[str], bytes]:
    """The function from a piece of the vocabulary to its bytes."""
    state = json.loads(cast(Any, tokenizer).backend_tokenizer.to_str())
    decoder = state["decoder"]
    if decoder is None:
        return lambda piece: f" {piece}".encode()  # pieces are joined by spaces
    steps = decoder["decoders"] if decoder["type"] == "Sequence" else [decoder]
    kinds = {step["type"] for step in steps}
    if kinds == {"ByteLevel"}:
        table = _bytes_of_characters()
        return lambda piece: _from_characters(piece, table)
    if kinds <= {"Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"}:
        replaced = [_space(step) for step in steps if step["type"] in ("Metaspace", "Replace")]
        spaces = [space for space in replaced if space is not None]
        if spaces and spaces == replaced:
            return lambda piece: _from_pieces(piece, spaces, "ByteFallback" in kinds)
    allowed = "constrained decoding supports byte-level and SentencePiece tokenizers"
    raise InputError("tokenizer", tokenizer.name_or_path, allowed)


def _space(step: dict[str, Any]) -> str | None:
    """The character that stands for a space; None for another replacement."""
    if step["type"] == "Metaspace":
        return step["replacement"]
    return step["pattern"].get("String") if step["content"] == " " else None


def _from_pieces(piece: str, spaces: list[str], has_bytes: bool) -> bytes:
    if has_bytes and (match := BYTE.fullmatch(piece)):
        return bytes([int(match[1], 16)])
    for space in spaces:
        piece = piece.replace(space, " ")
    return piece.encode()


def _from_characters(piece: str, table: dict[str, int]) -> bytes:
    """Of byte-level BPE; a piece with another character stands for itself."""
    if all(character in table for character in piece):
        return bytes(table[character] for character in piece)
    return piece.encode()


def _bytes_of_characters() -> dict[str, int]:
    """The byte that each character of byte-level BPE stands for (GPT-2).

    Printable bytes of Latin 1 are themselves; the others, ascending, are the characters from 256.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    characters = {chr(byte): byte for byte in printable}
    return characters | {chr(256 + index): byte for index, byte in enumerate(others)}

"""Token ids of texts that follow a common text, as if both were tokenized together."""

from collections.abc import Sequence

from research.common.tokenizer import Tokenizer
from research.tasks.encoding.tokenization import token_ids

TAIL = 64  # least characters of the common text that are tokenized again with each text
AGREE = 4  # consecutive equal tokens by which two tokenizations agree
PROBES = ("x", "A")  # begin with different tokens and join no token before them


def joined_ids(
    tokenizer: Tokenizer, before: Sequence[str], texts: Sequence[str]
) -> list[list[int]]:
    """Token ids of each text with the text before it, if any."""
    if len(set(before)) == 1:
        return joint_ids(tokenizer, before[0], texts)
    pairs = zip(before, texts, strict=True) if before else (("", text) for text in texts)
    return token_ids(tokenizer, [start + text for start, text in pairs])


def joint_ids(tokenizer: Tokenizer, before: str, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of `before + text` for each text.

    Only the last lines of `before` are tokenized with each text. If their first tokens are the same
    as in the whole of `before`, the tokens before them are the same too: rules of tokenizers do not
    cross a border that both tokenizations have. Otherwise the whole text is tokenized.
    """
    unique = list(dict.fromkeys(texts))
    begin = max(before.rfind("\n", 0, max(0, len(before) - TAIL)), 0)
    joined: dict[str, list[int]] = {}
    if begin and unique:
        start, whole = token_ids(tokenizer, [before[:begin], before])
        tail = whole[len(start) :][:AGREE]
        if whole[: len(start)] == start and len(tail) == AGREE:
            ends = token_ids(tokenizer, [before[begin:] + text for text in unique])
            for text, end in zip(unique, ends, strict=True):
                # A tokenizer may put a space before any text.
                offset = 0 if end[:AGREE] == tail else 1
                if end[offset : offset + AGREE] == tail:
                    joined[text] = start + end[offset:]
    others = [text for text in unique if text not in joined]
    joined |= zip(others, token_ids(tokenizer, [before + text for text in others]), strict=True)
    return [joined[text] for text in texts]


def tokens_within(tokenizer: Tokenizer, before: str) -> int:
    """Number of tokens of `before` that a text after it does not change."""
    if not before:
        return 0
    first, second = token_ids(tokenizer, [before + probe for probe in PROBES])
    pairs = enumerate(zip(first, second, strict=False))
    # A tokenizer that knows neither probe has the same token for both, the last one.
    return next((i for i, (a, b) in pairs if a != b), len(first) - 1)

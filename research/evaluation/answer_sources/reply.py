"""A server's reply to a request, and how it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from research.common.errors import InputError
from research.common.json_io import parse_json

LONGEST = 200  # characters of a reply in a message


@dataclass(frozen=True)
class EndpointReply:
    """A server's reply to a request.

    Attributes:
        text: the text; None where the server gave none, as for a refusal.
        prompt_tokens: tokens of the request; None where they were not counted.
        answer_tokens: tokens of the text; None where they were not counted.
        seconds: seconds until the reply, with all attempts.
    """

    text: str | None
    prompt_tokens: int | None
    answer_tokens: int | None
    seconds: float


def parse_reply(content: str, address: str, seconds: float) -> EndpointReply:
    """The reply in a chat completion. Raises InputError for anything else."""
    excerpt = " ".join(content.split())[:LONGEST]
    where = f"reply of {address}"
    try:
        value = parse_json(content)
    except ValueError as error:
        raise InputError(where, excerpt, "JSON is expected") from error
    try:
        text = value["choices"][0]["message"]["content"]
    except (IndexError, KeyError, TypeError) as error:
        allowed = "a chat completion with choices[0].message.content is expected"
        raise InputError(where, excerpt, allowed) from error
    if text is not None and not isinstance(text, str):
        raise InputError(where, excerpt, "a text is expected as choices[0].message.content")
    usage = value.get("usage")
    return EndpointReply(
        text=text,
        prompt_tokens=_count(usage, "prompt_tokens"),
        answer_tokens=_count(usage, "completion_tokens"),
        seconds=seconds,
    )


def _count(usage: Any, name: str) -> int | None:
    """A number of tokens, None where the server does not count them."""
    count = usage.get(name) if isinstance(usage, Mapping) else None
    return count if type(count) is int and count >= 0 else None

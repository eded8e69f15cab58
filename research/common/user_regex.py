"""Regular expressions of users, with bounds on their size and on the time of a match."""

import re
from functools import lru_cache

import regex  # reads what `re` does, and has a time limit

from research.common.errors import InputError

SECONDS = 1.0  # of processor time for one text
MOST_SIZE = 20_000  # characters of a pattern whose counted repeats are written out
DIGITS = 9  # of a count, more than enough to be too large
TOKENS = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<open>\()|(?P<close>\))"
    r"|\{(?P<count>\d+)(?:,\d*)?\}|.",
    re.DOTALL,
)
RECURSION = re.compile(r"\(\?(?:R|[+-]?\d+|&\w+|P>\w+)\)")


def check_expression(pattern: str, field: str) -> None:
    """Raises InputError for an invalid regular expression, and for one that takes too much memory:
    a large one, where `a{1000}` counts as 1,000 characters, and one that refers to itself.
    """
    allowed = _violation(pattern)
    if allowed is not None:
        raise InputError(field, pattern, allowed)


def check_extraction(pattern: str, field: str) -> None:
    """Raises InputError as `check_expression` does, and for an expression without a group."""
    check_expression(pattern, field)
    if _compiled(pattern).groups == 0:
        allowed = r"it has no group; the answer stands between parentheses, as in '#### (\S+)'"
        raise InputError(field, pattern, allowed)


def regex_matches(pattern: str, text: str, field: str) -> bool:
    """Whether a regular expression matches the whole text.

    Raises InputError, on `field`, for an invalid expression, and for a match that takes longer
    than `SECONDS`.
    """
    check_expression(pattern, field)
    matches = matches_in_time(pattern, text)
    if matches is None:
        raise InputError(field, pattern, f"it takes too long to find out whether it fits {text}")
    return matches


def matches_in_time(pattern: str, text: str) -> bool | None:
    """Whether a checked expression matches the whole text, where a dot matches line ends too; None
    if it takes too long.
    """
    try:
        return _compiled(pattern).fullmatch(text, timeout=SECONDS) is not None
    except TimeoutError:
        return None


def last_group(pattern: str, text: str) -> str | None:
    """The first filled group of the last match that has one, without white space around it; None
    without such a match.

    A dot matches no line end here. Raises TimeoutError for a search that takes longer than
    `SECONDS`.
    """
    matches = _compiled(pattern, dot_matches_line_ends=False).findall(text, timeout=SECONDS)
    for match in reversed(matches):
        groups = (match,) if isinstance(match, str) else match
        filled = [group.strip() for group in groups if group.strip()]
        if filled:
            return filled[0]
    return None


def all_groups(pattern: str, text: str) -> list[str | tuple[str, ...]]:
    """All matches of a checked expression, as `re.findall` returns them.

    A dot matches no line end here. Raises TimeoutError for a search that takes longer than
    `SECONDS`.
    """
    return _compiled(pattern, dot_matches_line_ends=False).findall(text, timeout=SECONDS)


def without_matches(pattern: str, text: str) -> str:
    """The text without the matches of a checked expression; see `all_groups`."""
    return _compiled(pattern, dot_matches_line_ends=False).sub("", text, timeout=SECONDS)


def expanded_size(pattern: str) -> int:
    """The size of a pattern in characters, with its counted repeats written out.

    A repeat of m to n times counts m times: the rest is a loop.
    """
    groups, last = [0], 0  # size of each open group before its last item; size of that item
    for token in TOKENS.finditer(pattern):
        if token["count"]:
            last *= max(int(token["count"][:DIGITS]), 1)
        elif token["open"]:
            groups[-1] += last
            groups.append(0)
            last = 0
        elif token["close"] and len(groups) > 1:
            last += groups.pop() + 1
        else:
            groups[-1] += last
            last = len(token[0])
    return sum(groups) + last


@lru_cache(maxsize=500)
def _violation(pattern: str) -> str | None:
    """The rule that a pattern breaks; None for a valid one."""
    if expanded_size(pattern) > MOST_SIZE:
        return f"at most {MOST_SIZE:,} characters are allowed, where a{{3}} counts as aaa"
    if RECURSION.search(pattern):
        return "a pattern that does not refer to itself is expected"
    try:
        _compiled(pattern)
    except RecursionError:
        return "it has too many groups within one another"
    except regex.error as error:
        return f"it is no regular expression ({error})"
    return None


@lru_cache(maxsize=500)
def _compiled(pattern: str, dot_matches_line_ends: bool = True) -> "regex.Pattern[str]":
    return regex.compile(pattern, regex.DOTALL if dot_matches_line_ends else 0)

"""Regular expressions of a user, of which none may keep a program busy for ever."""

import regex  # reads what `re` does, and can be told to stop

from research.common.errors import InputError

SECONDS = 1.0  # of processor time for one text


def check_expression(pattern: str, field: str) -> None:
    """Raises InputError for what is no regular expression."""
    try:
        regex.compile(pattern)
    except regex.error as error:
        raise InputError(field, pattern, f"it is no regular expression ({error})") from error


def regex_matches(pattern: str, text: str, field: str) -> bool:
    """Whether a regular expression fits the whole text. Raises InputError, on `field`, for what is
    none, and where it takes longer than `SECONDS` to find out.
    """
    check_expression(pattern, field)
    found = matches_in_time(pattern, text)
    if found is None:
        raise InputError(field, pattern, f"it takes too long to find out whether it fits {text}")
    return found


def matches_in_time(pattern: str, text: str) -> bool | None:
    """The same, where a dot fits line ends too; None where it takes too long."""
    try:
        return regex.fullmatch(pattern, text, regex.DOTALL, timeout=SECONDS) is not None
    except TimeoutError:
        return None

"""Leaves and layers that regular expressions pick."""

from collections.abc import Iterable, Sequence

from research.common.errors import InputError
from research.common.user_regex import regex_matches


def pattern_matches(pattern: str, path: str, field: str = "pattern") -> bool:
    """Whether a pattern fits the whole of a path, or its end after a slash.

    So `query` picks the query of every layer, `layers_[01]/.*` all of the first two layers of
    every stack. Raises InputError, on `field`, for what is no regular expression, or one that takes
    too long.
    """
    return regex_matches(pattern, path, field) or regex_matches(f".*/(?:{pattern})", path, field)


def picked(patterns: Sequence[str], paths: Iterable[str], field: str) -> list[str]:
    """The paths that some pattern picks.

    Raises InputError for no pattern, and for one that picks none.
    """
    paths = list(paths)
    if not patterns:
        raise InputError(field, patterns, "at least one pattern is expected")
    for pattern in patterns:
        if not any(pattern_matches(pattern, path, field) for path in paths):
            names = sorted({path.rpartition("/")[2] for path in paths})
            raise InputError(field, pattern, f"it fits nothing; names there are {names}")
    return [
        path for path in paths if any(pattern_matches(pattern, path, field) for pattern in patterns)
    ]

"""The one error a user can cause: a sentence with the field, the value and what is allowed."""

import difflib
import functools
import os
import sys
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

MOST = 10**9  # of what is counted
LARGEST = 10**6  # of what is a size of arrays

P = ParamSpec("P")
R = TypeVar("R")


class InputError(ValueError):
    """A mistake in a configuration, a file or an argument; scripts exit with code 2 on it."""

    def __init__(self, field: str, value: object, allowed: str):
        """Reads `{field} is {value!r}: {allowed}.`"""
        shown = repr(value)
        if len(shown) > 200:
            shown = shown[:200] + "..."
        super().__init__(f"{field} is {shown}: {allowed.rstrip('.')}.")
        self.field, self.value, self.allowed = field, value, allowed

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, object, str]]:
        """So that it travels from one process to another."""
        return InputError, (self.field, self.value, self.allowed)

    def within(self, outer: str) -> "InputError":
        """The same error, its field named from further outside: `outer.field`."""
        return InputError(f"{outer}.{self.field}", self.value, self.allowed)


def check_whole(field: str, value: int, least: int = 1, most: int = MOST) -> None:
    """Raises InputError unless `least` <= `value` <= `most`."""
    if not least <= value <= most:
        upper = f" to {most}" if value > most else ""
        raise InputError(field, value, f"a whole number from {least}{upper} is expected")


def choose_from(options: Iterable[str], given: str) -> str:
    """The phrase `allowed are a, b, c`, led by the nearest name if one is near."""
    options = sorted(options)
    near = difflib.get_close_matches(str(given), options, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}allowed are {', '.join(options) or 'none'}"


def exit_on_input_error(main: Callable[P, R]) -> Callable[P, R]:
    """Makes a script's main print what its user can mend as one line, and exit with code 2: an
    `InputError`, a file that the system refuses, memory that is full.

    Exits without a word, as other programs do, where nobody reads its output any more (code 141)
    and where the user stops it (130).
    """

    @functools.wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return main(*args, **kwargs)
        except BrokenPipeError:
            # What is still to be flushed at the end goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(141) from None
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except Exception as error:
            mistake = _mistake(error)
            if mistake is None:
                raise
            print(f"error: {mistake}", file=sys.stderr)
            raise SystemExit(2) from error

    return guarded


def _mistake(error: Exception) -> InputError | None:
    """What an error says about the user's input or machine; None for one that is ours."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, OSError) and error.strerror:
        return InputError("file", error.filename, error.strerror)
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        allowed = "smaller batches or a larger schedule.accumulate take less"
        return InputError("memory", "full", allowed)
    return None

"""The error that a user can cause: one sentence with the field, the value and what is allowed."""

import difflib
import functools
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import ParamSpec, TypeVar

from research.common.interrupts import raise_on_interrupt
from research.common.printable import printable

MOST = 10**9  # largest count
LARGEST = 10**6  # largest size of an array's axis
MOST_OF_VALUE, MOST_OF_REASON = 200, 4000  # characters in a message
MOST_NAMES = 50  # names that a message lists

P = ParamSpec("P")
R = TypeVar("R")


class InputError(ValueError):
    """A mistake in a configuration, a file or an argument; scripts exit with code 2 on it."""

    def __init__(self, field: str, value: object, allowed: str):
        """The message is `{field} is {value!r}: {allowed}.`, with long parts cut."""
        try:
            text = repr(value)
        except RecursionError:  # of values that are nested too deeply
            text = f"a deep {type(value).__name__}"
        text, reason = _cut(text, MOST_OF_VALUE), _cut(allowed.rstrip("."), MOST_OF_REASON)
        super().__init__(f"{field} is {text}: {reason}.")
        self.field, self.value, self.allowed = field, value, allowed

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, object, str]]:
        """Makes it picklable, for worker processes."""
        return type(self), (self.field, self.value, self.allowed)

    def within(self, outer: str) -> "InputError":
        """The same error with the field `outer.field`."""
        return InputError(f"{outer}.{self.field}", self.value, self.allowed)


class StorageError(InputError):
    """The system refuses to write a file, as on a full disk."""


def check_whole(field: str, value: int, least: int = 1, most: int = MOST) -> None:
    """Raises InputError unless `least` <= `value` <= `most`."""
    if not least <= value <= most:
        upper = f" to {most}" if value > most else ""
        raise InputError(field, value, f"a whole number from {least}{upper} is expected")


def check_choice(field: str, value: object, options: Iterable[str]) -> None:
    """Raises InputError for a value that is not one of the names in `options`."""
    options = list(options)
    if value not in options:
        raise InputError(field, value, choose_from(options, str(value)))


def choose_from(options: Iterable[str], name: str) -> str:
    """The phrase `allowed are a, b, c`, after a suggestion if an option is close to `name`."""
    options = sorted(options)
    near = difflib.get_close_matches(str(name)[:MOST_OF_VALUE], options, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}allowed are {name_list(options)}"


def name_list(names: Sequence[str]) -> str:
    """`a, b, c`, or the first names and the number of the others; `none` for no names."""
    others = len(names) - MOST_NAMES
    more = f" and {others:,} more" if others > 0 else ""
    return (", ".join(names[:MOST_NAMES]) or "none") + more


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "..."


def exit_on_input_error(main: Callable[P, R]) -> Callable[P, R]:
    """Wraps the main function of a script so that errors of the user are one line and exit code 2.

    These are an `InputError`, a file that the system refuses, and full memory. The script exits
    without a message, as other programs do, if its output is no longer read (code 141) or if the
    user interrupts it (130).
    """

    @functools.wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            raise_on_interrupt()
            return main(*args, **kwargs)
        except BrokenPipeError:
            # Discards what is flushed at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(141) from None
        except KeyboardInterrupt:
            raise SystemExit(130) from None
        except Exception as error:
            if isinstance(error, ImportError) and _interrupted(error):
                raise SystemExit(130) from None
            mistake = mistake_of(error)
            if mistake is None:
                raise
            print(printable(f"error: {mistake}"), file=sys.stderr)
            raise SystemExit(2) from error

    return guarded


def _interrupted(error: BaseException | None) -> bool:
    """Whether an error was raised because of Ctrl-C, as by a package that was being imported."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def mistake_of(error: Exception) -> InputError | None:
    """The error of the user's input or machine that an error stands for; None for a bug of ours."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, OSError) and error.strerror:
        file = error.filename or "a file of this program"
        return InputError("file", str(file), error.strerror)
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        allowed = "smaller batches or a larger schedule.accumulate take less"
        return InputError("memory", "full", allowed)
    return None

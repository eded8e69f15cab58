"""The one error a user can cause: a sentence with the field, the value and what is allowed."""

import difflib
import functools
import sys
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

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


def choose_from(options: Iterable[str], given: str) -> str:
    """The phrase `allowed are a, b, c`, led by the nearest name if one is near."""
    options = sorted(options)
    near = difflib.get_close_matches(str(given), options, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}allowed are {', '.join(options) or 'none'}"


def exit_on_input_error(main: Callable[P, R]) -> Callable[P, R]:
    """Makes a script's main print an `InputError` as one line and exit with code 2."""

    @functools.wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return main(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(2) from error

    return guarded

"""A clock of the wall seconds of each thread, by the purpose that they are spent on."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

Purpose = Literal[
    "training",
    "frozen layers",
    "compiling",
    "scoring",
    "encoding",
    "initialising",
    "loading",
    "saving checkpoints",
    "storing",
    "waiting",
    "forgetting",
    "switching",
]
# Each purpose in words, for tables.
PURPOSES: Mapping[str, str] = {
    "training": "training steps",
    "frozen layers": "hidden states below the trained layers, which are kept",
    "compiling": "programs, those of another process waited for",
    "scoring": "dev, train and test",
    "encoding": "drawing and encoding examples",
    "initialising": "parameters and optimizer states, and their transfer to the devices",
    "loading": "checkpoints and trained parameters",
    "saving checkpoints": "as far as training waits for it",
    "storing": "files of trained parameters",
    "waiting": "for a stage that another run trains",
    "forgetting": "losses on held-out text",
    "switching": "measuring the transfer of the stored parameters",
}
OTHER = "other"


class _Clock(threading.local):
    """The clock of one thread.

    Attributes:
        seconds: seconds by purpose until `since`.
        purpose: the present purpose.
        since: time when it began or was last counted.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.purpose, self.since = OTHER, time.perf_counter()

    def switch(self, purpose: str) -> str:
        """Counts the seconds until now and begins another purpose; returns the one before."""
        now = time.perf_counter()
        self.seconds[self.purpose] = self.seconds.get(self.purpose, 0.0) + now - self.since
        before, self.purpose, self.since = self.purpose, purpose, now
        return before


_clock = _Clock()


@contextmanager
def spent_on(purpose: Purpose) -> Iterator[None]:
    """Counts the seconds of a block, without those of purposes within it."""
    before = _clock.switch(purpose)
    try:
        yield
    finally:
        _clock.switch(before)


def seconds_by_purpose() -> dict[str, float]:
    """The seconds of this thread so far; `OTHER` has those outside of all purposes."""
    _clock.switch(_clock.purpose)
    return dict(_clock.seconds)


def seconds_since(begin: Mapping[str, float]) -> dict[str, float]:
    """The seconds by purpose since an earlier result of `seconds_by_purpose`, to 0.1 ms.

    Their sum is the wall time in between.
    """
    now = seconds_by_purpose()
    spent = {purpose: round(now[purpose] - begin.get(purpose, 0.0), 4) for purpose in now}
    return {purpose: seconds for purpose, seconds in spent.items() if seconds or purpose == OTHER}

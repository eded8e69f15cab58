"""The rate at which requests begin."""

import threading
import time
from collections.abc import Callable


class RateLimit:
    """Lets requests begin at regular intervals.

    Args:
        per_minute: most requests a minute; None for no limit.
        clock: seconds now.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        per_minute: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self.interval = 0.0 if per_minute is None else 60 / per_minute
        self.clock, self.sleep = clock, sleep
        self._next, self._lock = clock(), threading.Lock()

    def wait(self) -> None:
        """Waits until the next request may begin."""
        with self._lock:
            now = self.clock()
            begin = max(now, self._next)
            self._next = begin + self.interval
        if begin > now:
            self.sleep(begin - now)

"""Values that several threads compute once."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any


class Memo:
    """Computes the value of each key once, in the thread that asks first.

    Other threads wait for a value only if they ask for the same key. An error is raised in all
    threads that wait, and is not remembered.

    Args:
        size: number of values to keep, the least recently used dropped first; None for all.
    """

    def __init__(self, size: int | None = None) -> None:
        self._futures: dict[Hashable, Future[Any]] = {}  # the least recently used first
        self._lock, self._size = threading.Lock(), size

    def __call__(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """The value of `key`; calls `compute` if there is none."""
        future, is_new = self._future(key)
        if is_new:
            try:
                future.set_result(compute())
            except BaseException as error:
                self._drop(key, future)
                future.set_exception(error)
        return future.result()

    def add(self, key: Hashable) -> bool:
        """Whether this is the first call with `key`; it stands for a value of None."""
        future, is_new = self._future(key)
        if is_new:
            future.set_result(None)
        return is_new

    def _future(self, key: Hashable) -> tuple[Future[Any], bool]:
        """The future of `key` and whether it is new."""
        with self._lock:
            is_new = key not in self._futures
            future = Future() if is_new else self._futures.pop(key)
            self._futures[key] = future
            if self._size is not None and len(self._futures) > self._size:
                del self._futures[next(iter(self._futures))]
            return future, is_new

    def _drop(self, key: Hashable, future: Future[Any]) -> None:
        with self._lock:
            if self._futures.get(key) is future:
                del self._futures[key]

"""Ahead-of-time compilation of jitted functions, once per set of shapes, with its cost."""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from research.runtime.clock import seconds_by_purpose, spent_on
from research.runtime.compile_lock import compile_lock

_counts = threading.local()
_registration, _registered = threading.Lock(), threading.Event()


class Executable:
    """A jitted function that is compiled separately for each set of shapes.

    Compilation is timed apart from execution.
    """

    def __init__(self, function: Any):
        self.function = function
        self._compiled: dict[Any, Any] = {}
        self._locks: defaultdict[Any, threading.Lock] = defaultdict(threading.Lock)

    def __call__(self, *args: Any) -> Any:
        return self.compiled(*args)(*args)

    def compiled(self, *args: Any) -> Any:
        """The program for the shapes of these arguments, compiled on the first call."""
        key = _key(args)
        self._compile(key, args, wait=True)
        return self._compiled[key]

    def compile_unless_busy(self, *args: Any) -> bool:
        """Compiles for the shapes of these arguments; False if another process is compiling it."""
        return self._compile(_key(args), args, wait=False)

    def _compile(self, key: Any, args: Any, wait: bool) -> bool:
        with self._locks[key]:  # other threads wait for the program
            if key in self._compiled:
                return True
            _count_cache_hits()
            with spent_on("compiling"), compile_lock(str(key), wait) as acquired:
                if acquired:
                    self._compiled[key] = self.function.lower(*args).compile()
            return acquired


class Call(NamedTuple):
    """A future call of an executable.

    Attributes:
        executable: The executable.
        args: Its arguments.
    """

    executable: Executable
    args: tuple[Any, ...]


def compile_ahead(calls: Sequence[Call]) -> None:
    """Compiles the programs of the calls, those that another process is compiling last."""
    remaining = list(calls)
    while remaining:
        busy = [call for call in remaining if not call.executable.compile_unless_busy(*call.args)]
        if len(busy) == len(remaining):
            busy[0].executable.compiled(*busy[0].args)
        remaining = busy


def _key(args: tuple[Any, ...]) -> Any:
    """The structure, shapes and dtypes of arguments."""
    leaves, tree = jax.tree.flatten(args)
    return tree, tuple((np.shape(leaf), leaf.dtype) for leaf in leaves)


def compile_seconds() -> float:
    """Seconds of compilation so far in this thread."""
    return seconds_by_purpose().get("compiling", 0.0)


def execution_clock() -> float:
    """Seconds on a clock of this thread that stands still while the thread compiles."""
    return time.perf_counter() - compile_seconds()


def scoring_clock() -> float:
    """`execution_clock`, on which a reused result counts as long as its computation took."""
    return execution_clock() + getattr(_counts, "reused_seconds", 0.0)


def count_reused(seconds: float) -> None:
    """Moves this thread's `scoring_clock` on by what reusing a result has saved."""
    _counts.reused_seconds = getattr(_counts, "reused_seconds", 0.0) + seconds


def compile_cache_hits() -> int:
    """Number of programs that this thread has read from JAX's persistent compilation cache.

    Counting starts with the first call of this function or of an `Executable` in the process.
    """
    _count_cache_hits()
    return getattr(_counts, "hits", 0)


def _count_cache_hits() -> None:
    """Registers the listener once; not at import, which must not change the process."""
    with _registration:
        if not _registered.is_set():
            jax.monitoring.register_event_listener(_on_event)
            _registered.set()


def _on_event(event: str, **kwargs: Any) -> None:
    if event == "/jax/compilation_cache/cache_hits":
        _counts.hits = getattr(_counts, "hits", 0) + 1


def compiled_cost(compiled: Any) -> dict[str, float | None]:
    """XLA's figures of a compiled program: FLOPs, and bytes of memory by purpose; None: unknown.

    On a GPU, FLOPs are None, since XLA does not count products that libraries compute. alias_bytes
    are those of outputs that reuse the memory of donated arguments.
    """
    analysis, memory = compiled.cost_analysis() or {}, compiled.memory_analysis()
    return {
        "flops": None if jax.default_backend() == "gpu" else analysis.get("flops"),
        "argument_bytes": getattr(memory, "argument_size_in_bytes", None),
        "output_bytes": getattr(memory, "output_size_in_bytes", None),
        "temporary_bytes": getattr(memory, "temp_size_in_bytes", None),
        "alias_bytes": getattr(memory, "alias_size_in_bytes", None),
    }

"""Ahead-of-time compilation of jitted functions for each set of shapes, with its cost."""

import itertools
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from research.runtime.clock import seconds_by_purpose, spent_on
from research.runtime.compile_lock import compile_lock
from research.runtime.loaded_programs import LoadedProgram, LoadedPrograms, program_bytes

LOADED = LoadedPrograms()
_numbers = itertools.count()  # of executables
_counts = threading.local()
_registration, _registered = threading.Lock(), threading.Event()


class Executable:
    """A jitted function that is compiled separately for each set of shapes.

    Compilation is timed apart from execution. A program that was not used for long may be dropped
    from memory, see `LoadedPrograms`; the next call for its shapes compiles it again.
    """

    def __init__(self, function: Any):
        self.function = function
        self._compiled: dict[Any, Any] = {}
        self._locks: defaultdict[Any, threading.Lock] = defaultdict(threading.Lock)
        self._number = next(_numbers)
        weakref.finalize(self, _forget, self._number, self._compiled)

    def __call__(self, *args: Any) -> Any:
        return self.compiled(*args)(*args)

    def compiled(self, *args: Any) -> Any:
        """The program for the shapes of these arguments, compiled if it is not in memory."""
        program = self._compile(_key(args), args, wait=True)
        assert program is not None
        return program

    def compile_unless_busy(self, *args: Any) -> bool:
        """Compiles for the shapes of these arguments; False if another process is compiling it."""
        return self._compile(_key(args), args, wait=False) is not None

    def _compile(self, key: Any, args: Any, wait: bool) -> Any:
        """The program of a key; None if another process is compiling it and `wait` is False."""
        with self._locks[key]:  # other threads wait for the program
            program = self._compiled.get(key)
            if program is not None:
                LOADED.use((self._number, key))
                return program
            _count_cache_hits()
            with spent_on("compiling"), compile_lock(str(key), wait) as acquired:
                if not acquired:
                    return None
                lowered, size = self._lowered(args)
                program = self._compiled[key] = lowered.compile()
            drop = partial(self._compiled.pop, key, None)
            LOADED.add((self._number, key), LoadedProgram(size, drop))
            return program

    def _lowered(self, args: Any) -> tuple[Any, int]:
        """The function lowered for the shapes of these arguments, and its estimated bytes."""
        if not hasattr(self.function, "trace"):  # of pmap
            jaxpr = jax.make_jaxpr(self.function)(*args)
            return self.function.lower(*args), program_bytes(jaxpr)
        traced = self.function.trace(*args)
        return traced.lower(), program_bytes(traced.jaxpr)


def _forget(number: int, compiled: dict[Any, Any]) -> None:
    """Removes the programs of an executable that is gone."""
    for key in compiled:
        LOADED.forget((number, key))


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

"""A jitted function compiled ahead of its calls, once per set of shapes, at a known cost."""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from research.runtime.compile_lock import compile_lock

_spent = threading.local()
_registration, _registered = threading.Lock(), threading.Event()


class Executable:
    """Calls `function` (a jitted one); compile time is kept apart from run time.

    Every call runs code compiled for exactly its shapes.
    """

    def __init__(self, function: Any):
        self.function = function
        self._compiled: dict[Any, Any] = {}
        self._locks: defaultdict[Any, threading.Lock] = defaultdict(threading.Lock)

    def __call__(self, *args: Any) -> Any:
        return self.compiled(*args)(*args)

    def compiled(self, *args: Any) -> Any:
        """The executable for these arguments' shapes, compiled if it is not there yet."""
        key = _key(args)
        self._compile(key, args, wait=True)
        return self._compiled[key]

    def compile_unless_busy(self, *args: Any) -> bool:
        """Compiles for these arguments' shapes; False where another process is at it."""
        return self._compile(_key(args), args, wait=False)

    def _compile(self, key: Any, args: Any, wait: bool) -> bool:
        with self._locks[key]:  # a second thread waits rather than compile the same again
            if key in self._compiled:
                return True
            _count_cache_hits()
            begun = time.perf_counter()
            with compile_lock(str(key), wait) as mine:
                if mine:
                    self._compiled[key] = self.function.lower(*args).compile()
            _spent.seconds = compile_seconds() + time.perf_counter() - begun
            return mine


class Call(NamedTuple):
    """What an executable will be called with."""

    executable: Executable
    args: tuple[Any, ...]


def compile_ahead(calls: Sequence[Call]) -> None:
    """Compiles what the calls need; what another process is compiling comes last."""
    left = list(calls)
    while left:
        busy = [call for call in left if not call.executable.compile_unless_busy(*call.args)]
        if len(busy) == len(left):
            busy[0].executable.compiled(*busy[0].args)
        left = busy


def _key(args: tuple[Any, ...]) -> Any:
    """Equal for arguments of equal shapes."""
    leaves, tree = jax.tree.flatten(args)
    return tree, tuple((np.shape(leaf), leaf.dtype) for leaf in leaves)


def compile_seconds() -> float:
    """What compiling has taken so far in this thread."""
    return getattr(_spent, "seconds", 0.0)


def compile_cache_hits() -> int:
    """Number of programs that this thread has read from JAX's persistent compilation cache.

    Counting starts with the first call of this function or of an `Executable` in the process.
    """
    _count_cache_hits()
    return getattr(_spent, "hits", 0)


def _count_cache_hits() -> None:
    """Registers the listener, once. It is not done at import, which must not change the process."""
    with _registration:
        if not _registered.is_set():
            jax.monitoring.register_event_listener(_on_event)
            _registered.set()


def _on_event(event: str, **kwargs: Any) -> None:
    if event == "/jax/compilation_cache/cache_hits":
        _spent.hits = getattr(_spent, "hits", 0) + 1


def compiled_cost(compiled: Any) -> dict[str, float | None]:
    """What XLA says of a compiled program: FLOPs, and bytes of memory by purpose. None is what it
    does not know: on a GPU it counts no products that libraries make, so no FLOPs are told.

    alias_bytes: of outputs that lie where donated arguments did, and so take no room of their own.
    """
    analysis, memory = compiled.cost_analysis() or {}, compiled.memory_analysis()
    return {
        "flops": None if jax.default_backend() == "gpu" else analysis.get("flops"),
        "argument_bytes": getattr(memory, "argument_size_in_bytes", None),
        "output_bytes": getattr(memory, "output_size_in_bytes", None),
        "temporary_bytes": getattr(memory, "temp_size_in_bytes", None),
        "alias_bytes": getattr(memory, "alias_size_in_bytes", None),
    }

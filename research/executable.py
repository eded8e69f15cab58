"""A jitted function compiled ahead of its calls, once per set of shapes, at a known cost."""

import time
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import numpy as np


class Executable:
    """Calls `function` (a jitted one); compile time is kept apart from run time.

    Every call runs code compiled for exactly its shapes. compile_seconds: what all compiling in
    this process has taken so far.
    """

    compile_seconds: ClassVar[float] = 0.0

    def __init__(self, function: Callable):
        self.function = function
        self._compiled: dict[Any, Any] = {}

    def __call__(self, *args: Any) -> Any:
        return self.compiled(*args)(*args)

    def compiled(self, *args: Any) -> Any:
        """The executable for these arguments' shapes, compiled if it is not there yet."""
        leaves, tree = jax.tree.flatten(args)
        key = (tree, tuple((np.shape(leaf), leaf.dtype) for leaf in leaves))
        if key not in self._compiled:
            begun = time.perf_counter()
            self._compiled[key] = self.function.lower(*args).compile()
            Executable.compile_seconds += time.perf_counter() - begun
        return self._compiled[key]


def cost(compiled: Any) -> dict[str, float | None]:
    """What XLA says of a compiled program: FLOPs, and bytes of memory by purpose."""
    analysis, memory = compiled.cost_analysis() or {}, compiled.memory_analysis()
    return {
        "flops": analysis.get("flops"),
        "argument_bytes": getattr(memory, "argument_size_in_bytes", None),
        "output_bytes": getattr(memory, "output_size_in_bytes", None),
        "temporary_bytes": getattr(memory, "temp_size_in_bytes", None),
    }

"""The compiled programs that a process has in memory: a bound, and which of them goes first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

# Heap of a compiled program of XLA on CPU for each equation of its jaxpr: 90 and 115 MB for a step
# of LoRA and of full fine-tuning of 30 layers (23,430 and 27,073 equations).
BYTES_PER_EQUATION = 4_000
MOST_BYTES = 2**30
LEAST_PROGRAMS = 12  # of one run: its steps and its scoring in a few widths


class LoadedProgram(NamedTuple):
    """A program in memory.

    Attributes:
        size: its estimated bytes.
        drop: removes it from where it is used.
    """

    size: int
    drop: Callable[[], Any]


class LoadedPrograms:
    """The programs in memory in the order of their last use; the longest unused go first.

    Without a bound a worker holds 102 programs after ten approaches on a model of 30 layers. A
    dropped program is read from the compilation cache when it is used again.

    Attributes:
        most_bytes: bound on all programs.
        least_programs: number of programs that stay, whatever their size.
        bytes: of the programs in memory.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, least_programs: int = LEAST_PROGRAMS):
        self.most_bytes, self.least_programs = most_bytes, least_programs
        self._programs: OrderedDict[Hashable, LoadedProgram] = OrderedDict()
        self.bytes = 0
        self._lock = threading.Lock()

    def add(self, key: Hashable, program: LoadedProgram) -> None:
        """Adds a program, and drops others where there is no room for it."""
        with self._lock:
            self._programs[key] = program
            self.bytes += program.size
            dropped = []
            while self.bytes > self.most_bytes and len(self._programs) > self.least_programs:
                _, oldest = self._programs.popitem(last=False)
                self.bytes -= oldest.size
                dropped.append(oldest)
        for oldest in dropped:
            oldest.drop()

    def use(self, key: Hashable) -> None:
        """Moves a program to the end of the order."""
        with self._lock:
            if key in self._programs:
                self._programs.move_to_end(key)

    def forget(self, key: Hashable) -> None:
        """Removes a program that is in memory no longer."""
        with self._lock:
            program = self._programs.pop(key, None)
            self.bytes -= program.size if program is not None else 0


def program_bytes(jaxpr: Any) -> int:
    """Estimated bytes of a compiled program, from its jaxpr."""
    return BYTES_PER_EQUATION * _equations(jaxpr)


def _equations(jaxpr: Any) -> int:
    """Number of equations of a jaxpr, with those of the jaxprs within it."""
    inner = getattr(jaxpr, "jaxpr", jaxpr)  # of a closed jaxpr
    return sum(1 + sum(map(_equations, _jaxprs(equation.params))) for equation in inner.eqns)


def _jaxprs(params: dict[str, Any]) -> list[Any]:
    """The jaxprs among the parameters of an equation."""
    values = [
        part
        for value in params.values()
        for part in (value if isinstance(value, tuple | list) else (value,))
    ]
    return [value for value in values if hasattr(value, "eqns") or hasattr(value, "jaxpr")]

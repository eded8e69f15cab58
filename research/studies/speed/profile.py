"""Where the time of a step goes, by kinds of operations, as XLA's profiler sees them."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import jax

STEPS = 3

# Instructions as the text of a program writes them: name, operation, what follows.
INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.\-]+) = \S+ ([\w\-]+)\((.*)$")
COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")
CALLED = re.compile(r"(?:calls|to_apply)=%?([\w.\-]+)")
MOVING = {"copy", "transpose", "concatenate", "pad", "slice", "bitcast", "reshape", "parameter"}


def profiled(step: Callable[[], object], program: str) -> dict[str, float]:
    """Shares of the threads' time in a step by `kinds`, the largest first; empty but on a CPU:
    kernels of an accelerator have names of their own.

    program: the text of the compiled program that a step runs.
    """
    if jax.default_backend() != "cpu":
        return {}
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(STEPS):
                step()
        [file] = Path(folder).rglob("*.xplane.pb")
        data = jax.profiler.ProfileData.from_file(str(file))
    known, spent = kinds(program), Counter[str]()
    for plane in data.planes:
        for line in plane.lines:
            for event in line.events:
                if event.name in known:
                    spent[known[event.name]] += event.duration_ns
    whole = sum(spent.values())
    return {kind: time / whole for kind, time in spent.most_common()}


def kinds(program: str) -> dict[str, str]:
    """The kind of each instruction of the program.

    `matrix products`: dots of two matrices; `batched products`: dots that go over rows and heads,
    those of attention; `moving`: copies and transposes; `element by element`: all else, such as
    softmax, norms, activations, sums and the optimizer.
    """
    within: dict[str, list[tuple[str, str]]] = {}
    called: dict[str, str] = {}
    current: list[tuple[str, str]] = []
    names: dict[str, tuple[str, str]] = {}
    for line in program.splitlines():
        if head := COMPUTATION.match(line):
            current = within.setdefault(head[1], [])
        elif found := INSTRUCTION.match(line):
            name, operation, rest = found.groups()
            current.append((operation, rest))
            names[name] = (operation, rest)
            if inner := CALLED.search(rest):
                called[name] = inner[1]
    return {
        name: _kind(within.get(called.get(name, ""), []) or [instruction])
        for name, instruction in names.items()
    }


def _kind(instructions: list[tuple[str, str]]) -> str:
    """Of what is computed together."""
    dots = [rest for operation, rest in instructions if operation == "dot"]
    if any("lhs_batch_dims" in rest for rest in dots):
        return "batched products"
    if dots:
        return "matrix products"
    if all(operation in MOVING for operation, _ in instructions):
        return "moving"
    return "element by element"

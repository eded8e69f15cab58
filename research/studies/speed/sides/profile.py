"""Share of a step's time per kind of operation, measured by XLA's profiler."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import jax

STEPS = 3

# An instruction in the text of a program: name, operation, arguments.
INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.\-]+) = \S+ ([\w\-]+)\((.*)$")
COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")
CALLED = re.compile(r"(?:calls|to_apply)=%?([\w.\-]+)")
MOVING = {"copy", "transpose", "concatenate", "pad", "slice", "bitcast", "reshape", "parameter"}


def profiled(step: Callable[[], object], program: str) -> dict[str, float]:
    """Share of a step's thread time per kind of operation (see `kinds`), largest first.

    Empty unless on a CPU: kernels of an accelerator have different names.

    Args:
        step: Runs one step.
        program: Text of the compiled program that a step runs.
    """
    if jax.default_backend() != "cpu":
        return {}
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(STEPS):
                step()
        [file] = Path(folder).rglob("*.xplane.pb")
        data = jax.profiler.ProfileData.from_file(str(file))
    kind_of, spent = kinds(program), Counter[str]()
    for plane in data.planes:
        for line in plane.lines:
            for event in line.events:
                if event.name in kind_of:
                    spent[kind_of[event.name]] += event.duration_ns
    whole = sum(spent.values())
    return {kind: time / whole for kind, time in spent.most_common()}


def kinds(program: str) -> dict[str, str]:
    """The kind of each instruction of the program.

    `matrix products`: dots of two matrices; `batched products`: dots batched over rows and heads,
    as in attention; `moving`: copies and transposes; `element-wise`: all others, such as
    softmax, norms, activations, sums and the optimizer.
    """
    computations: dict[str, list[tuple[str, str]]] = {}
    called: dict[str, str] = {}
    current: list[tuple[str, str]] = []
    names: dict[str, tuple[str, str]] = {}
    for line in program.splitlines():
        if head := COMPUTATION.match(line):
            current = computations.setdefault(head[1], [])
        elif instruction := INSTRUCTION.match(line):
            name, operation, rest = instruction.groups()
            current.append((operation, rest))
            names[name] = (operation, rest)
            if inner := CALLED.search(rest):
                called[name] = inner[1]
    return {
        name: _kind(computations.get(called.get(name, ""), []) or [instruction])
        for name, instruction in names.items()
    }


def _kind(instructions: list[tuple[str, str]]) -> str:
    """The kind of a fusion, by its instructions."""
    dots = [rest for operation, rest in instructions if operation == "dot"]
    if any("lhs_batch_dims" in rest for rest in dots):
        return "batched products"
    if dots:
        return "matrix products"
    if all(operation in MOVING for operation, _ in instructions):
        return "moving"
    return "element-wise"

"""Where the time of a step goes, by kinds of operations, as XLA's profiler sees them."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

STEPS = 3

# Instructions as the text of a program writes them: name, operation, what follows.
INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.\-]+) = (?:\(.*?\)|\S+) ([\w\-]+)\((.*)$")
COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")
BATCHED = r'lhs_batch_dims|"lhs_batch_dimensions":\["'  # of a dot, or of a call of cuBLAS
CALLED = re.compile(r"(?:calls|to_apply)=%?([\w.\-]+)")
MOVING = {"copy", "transpose", "concatenate", "pad", "slice", "bitcast", "reshape", "parameter"}


def profiled(step: Callable[[], object], program: str) -> dict[str, float]:
    """Shares of the threads' time in a step by `kinds`, the largest first; empty where the profiler
    names no operation of the program, as on some accelerators.

    program: the text of the compiled program that a step runs.
    """
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
                name = event.name if event.name in known else _operation(event)
                if name in known:
                    spent[known[name]] += event.duration_ns
    whole = sum(spent.values())
    return {kind: time / whole for kind, time in spent.most_common()}


def _operation(event: Any) -> str | None:
    """The instruction that a kernel of a GPU belongs to."""
    return next((value for name, value in event.stats if name == "hlo_op"), None)


def kinds(program: str) -> dict[str, str]:
    """The kind of each instruction of the program.

    `matrix products`: dots of two matrices; `batched products`: dots that go over rows and heads,
    those of attention; `fused attention`: cuDNN's kernels, softmax and all; `moving`: copies and
    transposes; `element by element`: all else, such as softmax, norms, activations, sums and the
    optimizer.
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
    if any("__cudnn$fmha" in rest for _, rest in instructions):
        return "fused attention"
    dots = [rest for operation, rest in instructions if operation == "dot" or "__cublas$" in rest]
    if any(re.search(BATCHED, rest) for rest in dots):
        return "batched products"
    if dots:
        return "matrix products"
    if all(operation in MOVING for operation, _ in instructions):
        return "moving"
    return "element by element"

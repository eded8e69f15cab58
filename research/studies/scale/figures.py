"""The figures of results/scale: by formula for every size, by the compiler for small sizes."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from research.runtime.executable import compiled_cost
from research.studies.scale.cohort import compile_together, in_turn, together
from research.studies.scale.compiled import compiler_report
from research.studies.scale.configuration import StepConfiguration
from research.studies.scale.flops import flops_per_token
from research.studies.scale.memory import HELD, peak_bytes_of, step_memory, temporary
from research.studies.scale.models import METHODS, SHAPES

LAYOUTS = {
    "1 device": (1, 1),
    "8, data": (8, 1),
    "8, fsdp": (1, 8),
    "256, 32 x 8": (32, 8),
    "256, fsdp": (1, 256),
}
MEMBERS = (1, 2, 4, 8, 16, 64)
LORA, FULL = "LoRA (rank 8)", "full"
# (size, method, data, fsdp) of compiled steps, in float32: XLA on CPU computes bfloat16 in it.
COMPILED = [("60M", name, 1, 1) for name in METHODS if METHODS[name]]
COMPILED += [("60M", name, *mesh) for name in (LORA, FULL) for mesh in ((8, 1), (1, 8))]
COMPILED += [("1B", name, 1, 1) for name in (LORA, FULL)]


def setting(
    size: str, method: str, data: int = 1, fsdp: int = 1, **changes: Any
) -> StepConfiguration:
    """The configuration of a size and a method by name, with changed fields."""
    return replace(_setting(size, method, data, fsdp), **changes)


def by_formula() -> Iterator[dict[str, Any]]:
    """A row for each size, method and layout, with and without `remat`."""
    for size in SHAPES:
        for method in METHODS:
            for layout, mesh in LAYOUTS.items():
                for remat in (False, True) if METHODS[method] else (False,):
                    step = setting(size, method, *mesh, remat=remat)
                    parts = step_memory(step)
                    row = dict(size=size, method=method, layout=layout, remat=remat)
                    trained = sum(leaf.size for leaf in step.parts[0].values())
                    yield {
                        **row,
                        "trained": trained,
                        "bytes": parts,
                        "peak": peak_bytes_of(parts),
                    } | {"flops": flops_per_token(step)}


def by_compiler() -> Iterator[dict[str, Any]]:
    """Bytes and FLOPs of a device by the formula and of the compiled step."""
    for size, method, data, fsdp in COMPILED:
        for remat in (False, True) if size == "60M" else (False,):
            step = setting(size, method, data, fsdp, rows=2, dtype="float32", remat=remat)
            parts, flops = step_memory(step), flops_per_token(step)
            yield {
                **dict(size=size, method=method, data=data, fsdp=fsdp, remat=remat),
                "held": sum(parts[name] for name in HELD),
                "temporary": temporary(parts),
                "flops": flops["remat" if remat else "step"] * step.rows * step.tokens,
                "compiled": compiler_report(step),
            }


def of_cohorts() -> Iterator[dict[str, Any]]:
    """LoRA runs on one device, by formula."""
    for size in SHAPES:
        step = setting(size, LORA)
        parts, flops = step_memory(step), flops_per_token(step)["step"] * step.rows * step.tokens
        for members in MEMBERS:
            yield {
                **dict(size=size, members=members, flops=members * flops),
                "together": together(parts, members),
                "in_turn": in_turn(parts, members),
            }


def of_compiled_cohorts() -> Iterator[dict[str, Any]]:
    """Cohorts of the 60M model compiled in float32, the last one on eight devices."""
    step = setting("60M", LORA, dtype="float32", rows=2)
    for members, devices in ((1, 1), (2, 1), (4, 1), (8, 8)):
        expected = together(step_memory(step), members // devices)
        compiled = compiled_cost(compile_together(step, members, devices))
        yield {
            **dict(members=members, devices=devices, expected=expected),
            "compiled": compiled,
        }


@cache
def _setting(size: str, method: str, data: int, fsdp: int) -> StepConfiguration:
    return StepConfiguration(SHAPES[size], METHODS[method], rows=8, data=data, fsdp=fsdp)

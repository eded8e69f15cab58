"""Measures one case; the result is JSON data, one row of the table."""

from typing import Any

from research.studies.speed.case import PEFT, Case, StartupCase, WholeProcessCase
from research.studies.speed.device import device, dtype
from research.studies.speed.head_to_head import CompiledCase, head_to_head
from research.studies.speed.whole_process import startup_time, whole_process


def head_to_head_result(
    case: Case, rounds: int, seconds: float, compiled: CompiledCase | None
) -> dict[str, Any]:
    """The result of a comparison by steps; see `head_to_head` for the arguments."""
    result = head_to_head(case, dtype(), rounds, seconds, compiled)
    return {
        "name": case.name,
        "ours_ms": result.ours_ms,
        "peft_ms": result.other_ms,
        "ratio": result.ratio,
        "low": result.low,
        "high": result.high,
        "at_least": _target(case, case.at_least),
        "other": " ".join(case.other),
        "compile_seconds": result.compile_seconds,
        "compile_at_most": _target(case, case.compile_at_most),
        "difference": result.difference,
        "ours_bytes": result.ours_bytes,
        "peft_bytes": result.other_bytes,
        "memory_at_most": _target(case, case.memory_at_most),
        "published": case.published,
        "flops": result.flops,
        "profile": result.profile,
    }


def whole_process_result(case: WholeProcessCase, rounds: int) -> dict[str, Any]:
    """The result of a comparison of whole processes, in at most 3 rounds."""
    result = whole_process(case, rounds=min(3, rounds))
    return {
        "name": case.name,
        "ours_ms": 1e3 * result.ours_s,
        "peft_ms": 1e3 * result.other_s,
        "ratio": result.ratio,
        "low": result.low,
        "high": result.high,
        "at_least": case.at_least,
        "other": f"{PEFT} {case.other}",
    }


def startup_result(case: StartupCase) -> dict[str, Any]:
    """The time of a start, in 3 rounds."""
    result = startup_time(case, rounds=3)
    return {
        "name": case.name,
        "ours_ms": 1e3 * result.seconds,
        "peft_ms": None,
        "ratio": None,
        "low_ms": 1e3 * result.low,
        "high_ms": 1e3 * result.high,
        "at_least": None,
        "at_most_ms": 1e3 * case.at_most,
    }


def _target(case: Case, target: float | None) -> float | None:
    """The target on this device; None where it does not apply."""
    return target if case.device == "gpu" or device() == "cpu" else None

"""The cases that the options select, and how each is measured."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

import jax

from research.common.errors import InputError, choose_from
from research.common.paths import resolve_path
from research.models.checkpoint.folder import find_folder
from research.studies.speed.case import PEFT, Case, StartupCase, WholeProcessCase
from research.studies.speed.cases import (
    CASES,
    DTYPES,
    LARGE_CASES,
    STARTUP_CASES,
    WHOLE_PROCESS_CASES,
)
from research.studies.speed.head_to_head import CompiledCase, head_to_head
from research.studies.speed.real_model.cases import label, model_cases, table_case
from research.studies.speed.real_model.loading import check_loads
from research.studies.speed.whole_process import startup_time, whole_process

REAL_DATA = "SST-2"  # part of the names of cases that need ADAPTLAB_SHARED

Measure = Callable[[CompiledCase | None], dict[str, Any]]


class Measurable(NamedTuple):
    """A case to measure.

    Attributes:
        name: Shown in the table.
        measure: Measures it, given its compiled program if there is one.
        case: The case if its program can be compiled ahead.
    """

    name: str
    measure: Measure
    case: Case | None = None


@dataclass(frozen=True)
class BenchmarkOptions:
    """What is measured and how.

    Attributes:
        machine: Name of the results folder.
        results: Parent of the results folder.
        cases: Parts of the names of the cases to measure, in order; empty: all cases.
        rounds: Rounds of each side.
        seconds: Approximate duration of a round.
        model: Folder or Hugging Face id of a backbone whose cases are measured too; None for none.
        minutes: No case starts later than this; None for no limit.
    """

    machine: str
    results: Path
    cases: Sequence[str]
    rounds: int
    seconds: float
    model: str | None = None
    minutes: float | None = None

    def check(self) -> None:
        """Raises InputError for options or missing packages that would fail later."""
        missing = [name for name in ("torch", "peft") if util.find_spec(name) is None]
        if missing:
            allowed = "pip install -e '.[benchmark]' brings torch and peft"
            raise InputError("packages", missing, allowed)
        if self.rounds < 1 or not 0 < self.seconds < 600:
            raise InputError("--rounds, --seconds", (self.rounds, self.seconds), "numbers above 0")
        if self.minutes is not None and not self.minutes > 0:
            raise InputError("--minutes", self.minutes, "a number above 0 is expected")
        if set(self.machine) & set("/\\") or self.machine in ("", ".", ".."):
            raise InputError("--machine", self.machine, "the name of a folder is expected")
        names = [case.name for case in (*CASES, *WHOLE_PROCESS_CASES, *STARTUP_CASES)]
        names += [case.name for case in _model_cases(self)]
        for part in self.cases:
            if not any(part in name for name in names):
                raise InputError("--case", part, choose_from(names, part))


def selected_cases(options: BenchmarkOptions) -> list[Measurable]:
    """The selected cases in the order of `--case`."""
    parts = options.cases or [""]
    cases = [case for case in _all_cases(options) if any(part in case.name for part in parts)]
    return sorted(cases, key=lambda case: [part in case.name for part in parts].index(True))


def _all_cases(options: BenchmarkOptions) -> Iterator[Measurable]:
    for case in filter(_fits, CASES):
        yield _head_to_head_case(case, options)
    yield from _model_cases(options)
    for case in WHOLE_PROCESS_CASES:
        yield _whole_process_case(case, options)
    for case in STARTUP_CASES:
        yield Measurable(case.name, lambda _, case=case: _measure_startup(case))


def _head_to_head_case(case: Case, options: BenchmarkOptions) -> Measurable:
    return Measurable(case.name, lambda ready: _measure_head_to_head(case, options, ready), case)


def _whole_process_case(case: WholeProcessCase, options: BenchmarkOptions) -> Measurable:
    return Measurable(case.name, lambda _: _measure_whole_process(case, options))


def _model_cases(options: BenchmarkOptions) -> list[Measurable]:
    """The cases of `--model`; one that fails if the model cannot be read."""
    if options.model is None:
        return []
    title = label(options.model)
    try:
        folder = str(find_folder(resolve_path(options.model, "--model")).resolve())
        steps, table = model_cases(folder, title), table_case(folder, title)
    except InputError as error:
        return [Measurable(title, partial(_fail, error))]
    cases = [_head_to_head_case(case, options) for case in steps]
    if table is not None and "ADAPTLAB_SHARED" in os.environ:
        cases.append(_whole_process_case(table, options))
    return [case._replace(measure=partial(_measure_model, folder, case.measure)) for case in cases]


def _measure_model(folder: str, measure: Measure, ready: CompiledCase | None) -> dict[str, Any]:
    check_loads(folder, dtype())
    return measure(ready)


def _fail(error: InputError, ready: CompiledCase | None) -> dict[str, Any]:
    raise error


def large_cases() -> tuple[str, ...]:
    """The names of the cases of large models. Raises InputError without a GPU."""
    if device() != "gpu":
        raise InputError("--large", True, "a GPU is needed")
    return tuple(case.name for case in LARGE_CASES)


def device() -> str:
    return "gpu" if jax.default_backend() == "gpu" else "cpu"


def dtype() -> str:
    """dtype of frozen weights and operations on this device."""
    return DTYPES[device()]


def _fits(case: Case) -> bool:
    return case.device in ("any", device()) and (
        REAL_DATA not in case.name or "ADAPTLAB_SHARED" in os.environ
    )


def _target(case: Case, target: float | None) -> float | None:
    """The target on this device; None where it does not apply."""
    return target if case.device == "gpu" or device() == "cpu" else None


def _measure_head_to_head(
    case: Case, options: BenchmarkOptions, compiled: CompiledCase | None
) -> dict[str, Any]:
    result = head_to_head(case, dtype(), options.rounds, options.seconds, compiled)
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


def _measure_whole_process(case: WholeProcessCase, options: BenchmarkOptions) -> dict[str, Any]:
    result = whole_process(case, rounds=min(3, options.rounds))
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


def _measure_startup(case: StartupCase) -> dict[str, Any]:
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

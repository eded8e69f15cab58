"""The cases that the options select, and how each is measured."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

from research.common.errors import InputError, choose_from
from research.common.paths import resolve_path
from research.models.checkpoint.folder import find_folder
from research.studies.speed.case import Case, WholeProcessCase
from research.studies.speed.case_results import (
    head_to_head_result,
    startup_result,
    whole_process_result,
)
from research.studies.speed.cases import (
    CASES,
    LARGE_CASES,
    STARTUP_CASES,
    WHOLE_PROCESS_CASES,
)
from research.studies.speed.device import device, dtype
from research.studies.speed.head_to_head import CompiledCase
from research.studies.speed.real_model.cases import label, model_cases, table_case
from research.studies.speed.real_model.loading import check_loads

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
        yield Measurable(case.name, lambda _, case=case: startup_result(case))


def _head_to_head_case(case: Case, options: BenchmarkOptions) -> Measurable:
    rounds, seconds = options.rounds, options.seconds
    return Measurable(
        case.name, lambda ready: head_to_head_result(case, rounds, seconds, ready), case
    )


def _whole_process_case(case: WholeProcessCase, options: BenchmarkOptions) -> Measurable:
    return Measurable(case.name, lambda _: whole_process_result(case, options.rounds))


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


def _fits(case: Case) -> bool:
    return case.device in ("any", device()) and (
        REAL_DATA not in case.name or "ADAPTLAB_SHARED" in os.environ
    )

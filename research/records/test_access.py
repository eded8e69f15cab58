"""Accesses to test: which choices of a cell were evaluated on test, and when."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from research.common.hashing import canonical, run_id
from research.records.schema import CellKey, RunRecord

# Another seed or another version of the code does not make another choice.
NOT_IDENTIFYING = ("seed", "code_version")


@dataclass(frozen=True)
class Protocol:
    """The budget of the cell: seeds, search seeds and number of trials."""

    seeds: int
    search_seeds: int
    trials: int


@dataclass(frozen=True)
class TestAccess:
    """One choice of a cell that was evaluated on test.

    Attributes:
        approach: name of the approach.
        task: name of the task.
        regime: the regime.
        task_checksum: checksum of the task's data.
        choice: hash of the settings without seed and code version.
        code_version: version of the code's numbers.
        trial: the chosen trial.
        protocol: the budget of the cell.
        when: time, ISO 8601 in UTC.
        test: checksum of the test examples; None where it is not known.
        backbone: checksum of the backbone in an experiment with several; None in one with one.
    """

    approach: str
    task: str
    regime: str
    task_checksum: str
    choice: str
    code_version: int
    trial: Mapping[str, Any]
    protocol: Protocol
    when: str
    test: str | None = None
    backbone: str | None = None

    __test__ = False  # not a test of pytest

    @property
    def cell(self) -> CellKey:
        """The cell: approach, task and regime."""
        return self.approach, self.task, self.regime

    @property
    def identity(self) -> str:
        """Equal for two accesses of the same choice by the same version of the code.

        The choice determines the backbone too.
        """
        fields = (*self.cell, self.task_checksum, self.choice, self.code_version)
        return canonical(fields)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON data, without the backbone where there is one."""
        fields = asdict(self)
        return {n: value for n, value in fields.items() if n != "backbone" or value is not None}


def accesses_of(records: Iterable[RunRecord], tests: Mapping[str, str]) -> list[TestAccess]:
    """The accesses of the tested runs among `records`, the oldest first.

    Args:
        records: records of runs.
        tests: checksum of the test examples, by checksum of the task.
    """
    records = list(records)
    several = len({record.backbone.checksum for record in records if record.backbone}) > 1
    accesses = [
        TestAccess(
            *record.cell,
            task_checksum=record.data.task_checksum,
            choice=choice_id(record.settings),
            code_version=record.code_version,
            trial=record.trial,
            protocol=Protocol(
                record.configuration.seeds,
                record.configuration.search_seeds,
                len(record.configuration.trials),
            ),
            when=record.created,
            test=tests.get(record.data.task_checksum),
            backbone=record.backbone.checksum if several and record.backbone else None,
        )
        for record in records
        if record.tested
    ]
    return sorted(accesses, key=lambda access: access.when)


def count_accesses(
    accesses: Iterable[TestAccess], cell: CellKey, task_checksum: str
) -> tuple[int, int]:
    """(choices of a cell that were evaluated on its test data, versions of the code that did so).

    An access with another version of the task counts if the test data were the same.
    """
    of_cell = [access for access in accesses if access.cell == cell]
    tests = {access.test for access in of_cell if access.task_checksum == task_checksum} - {None}
    counted = [
        access
        for access in of_cell
        if access.task_checksum == task_checksum or access.test in tests
    ]
    choices = {access.choice for access in counted}
    return len(choices), len({access.code_version for access in counted})


def choice_id(settings: Mapping[str, Any]) -> str:
    """The id of a choice: a hash of its settings without seed and code version."""
    return run_id({k: value for k, value in settings.items() if k not in NOT_IDENTIFYING})

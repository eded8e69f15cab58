"""TODO reporting/grid/provenance.py"""

from collections.abc import Callable, Iterator

from research.records.schema import Record
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import ResultCell

MACHINE = ("processor", "device_kind", "device_count")


def _machine(run: Record) -> str:
    hardware = run.get("hardware") or {}
    return ", ".join(str(hardware.get(name)) for name in MACHINE)


def _state(run: Record) -> str:
    """Whether the code was that of a commit; of runs without git nothing is said."""
    return "uncommitted changes" if (run.get("git") or {}).get("dirty") else "committed code"


# What is the same for cells that can be compared, by the name of it.
FACTS: dict[str, Callable[[ResultCell], str]] = {
    "code version": lambda cell: _all(str(run["code_version"]) for run in cell.runs),
    # The first version was not noted.
    "metric version": lambda cell: _all(str(run.get("metric_version", 1)) for run in cell.runs),
    "code": lambda cell: _all(map(_state, cell.runs)),
    "hardware": lambda cell: _all(map(_machine, cell.runs)),
    "seeds": lambda cell: " ".join(map(str, cell.seeds)),
}


def _all(texts: Iterator[str]) -> str:
    return " and ".join(sorted(distinct(texts)))

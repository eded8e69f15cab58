"""Facts about how a cell was produced, which comparable cells share."""

from collections.abc import Callable, Iterator

from research.records.schema import RunRecord
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.comparable_runs import distinct


def machine(run: RunRecord) -> str:
    """Processor, kind of device, number of devices and of CPU threads of a run."""
    hardware = run.provenance.hardware
    machine = f"{hardware.processor}, {hardware.device_kind}, {hardware.device_count}"
    # One thread is the default, with which all runs compute unless they are told otherwise.
    return machine if hardware.threads in (None, 1) else f"{machine}, {hardware.threads} threads"


def _state(run: RunRecord) -> str:
    """Whether the code was that of a commit; nothing can be said without git."""
    git = run.provenance.git
    return "uncommitted changes" if git and git.dirty else "committed code"


FACTS: dict[str, Callable[[ResultCell], str]] = {
    "code version": lambda cell: _all(str(run.code_version) for run in cell.runs),
    "metric version": lambda cell: _all(str(run.metric_version) for run in cell.runs),
    "code": lambda cell: _all(map(_state, cell.runs)),
    "hardware": lambda cell: _all(map(machine, cell.runs)),
    "seeds": lambda cell: " ".join(map(str, cell.seeds)),
}


def _all(texts: Iterator[str]) -> str:
    return " and ".join(sorted(distinct(texts)))

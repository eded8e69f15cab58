"""How a cell was produced: facts that should agree between the cells of a table."""

from collections.abc import Callable, Iterator

from research.records.schema import RunRecord
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.comparable_runs import distinct


def machine_text(run: RunRecord) -> str:
    """Processor, kind of device, number of devices and of CPU threads of a run."""
    hardware = run.provenance.hardware
    machine = f"{hardware.processor}, {hardware.device_kind}, {hardware.device_count}"
    # One thread is the default.
    return machine if hardware.threads in (None, 1) else f"{machine}, {hardware.threads} threads"


def _code_state(run: RunRecord) -> str:
    """Whether the code had uncommitted changes; without git it counts as committed."""
    git = run.provenance.git
    return "uncommitted changes" if git and git.dirty else "committed code"


FACTS: dict[str, Callable[[ResultCell], str]] = {
    "code version": lambda cell: _joined(str(run.code_version) for run in cell.runs),
    "metric version": lambda cell: _joined(str(run.metric_version) for run in cell.runs),
    "code": lambda cell: _joined(map(_code_state, cell.runs)),
    "hardware": lambda cell: _joined(map(machine_text, cell.runs)),
    "seeds": lambda cell: " ".join(map(str, cell.seeds)),
}


def _joined(texts: Iterator[str]) -> str:
    return " and ".join(sorted(distinct(texts)))

"""The protocol of equal budgets: each approach has its trials on dev, one per cell goes to test.

Pure functions over run records. A cell is an approach on a task in a regime; its search runs are
its trials (learning rates and the like) times the search seeds. Test scores play no role here.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from research.common.errors import InputError
from research.common.hashing import canonical
from research.records.schema import Record

CellKey = tuple[str, str, str]


def cell_of(record: Record) -> CellKey:
    """(approach, task, regime) of a run."""
    return record["approach"], record["task"], record["regime"]


def choose(records: Iterable[Record]) -> dict[str, Any]:
    """The trial of a cell with the best mean dev score (headline metric) over its search seeds.

    A diverged run counts as worse than any score. Ties go to the lower mean dev loss, then to the
    trial that comes first in `records` (the order of the plan).
    Raises InputError unless all are runs of one cell and every trial has the same seeds, once each.
    """
    records = list(records)
    trials = _by_trial(records)
    _check_equal_seeds(records, trials)
    if len(trials) == 1:  # nothing to choose, so no dev score is needed
        return records[0]["trial"]
    best = min(trials.values(), key=_rank)  # min keeps the first of equals
    return best[0]["trial"]


def search_runs(records: Iterable[Record], search_seeds: int | None = None) -> list[Record]:
    """Those runs of a cell that the choice rests on.

    They are the runs of the first `search_seeds` seeds; without this number, of the seeds that all
    trials share (the chosen trial has more).
    """
    records = list(records)
    if not records:
        return []
    if search_seeds is not None:
        seeds = set(sorted({record["seed"] for record in records})[:search_seeds])
    else:
        by_trial = _by_trial(records).values()
        seeds = set.intersection(*({record["seed"] for record in runs} for runs in by_trial))
    return [record for record in records if record["seed"] in seeds]


def same_trial(record: Record, trial: dict[str, Any]) -> bool:
    """Whether a run belongs to this trial."""
    return canonical(record["trial"]) == canonical(trial)


def _by_trial(records: Sequence[Record]) -> dict[str, list[Record]]:
    trials: dict[str, list[Record]] = {}
    for record in records:
        trials.setdefault(canonical(record["trial"]), []).append(record)
    return trials


def _check_equal_seeds(records: Sequence[Record], trials: dict[str, list[Record]]) -> None:
    cells = {cell_of(record) for record in records}
    if len(cells) != 1:
        raise InputError("records", sorted(cells), "a trial is chosen among the runs of one cell")
    if len({record["metric"] for record in records}) != 1:
        raise InputError("metric", [r["metric"] for r in records], "one headline metric per cell")
    seeds = {name: sorted(run["seed"] for run in runs) for name, runs in trials.items()}
    first = next(iter(seeds.values()))
    if any(other != first or len(set(other)) != len(other) for other in seeds.values()):
        where = " / ".join(next(iter(cells)))
        raise InputError(f"seeds of {where}", seeds, "every trial needs the same seeds, once each")


def _rank(runs: Sequence[Record]) -> tuple[int, float, float]:
    """Sorts the better trial first: fewer diverged runs, higher mean score, lower mean loss."""
    finished = [run for run in runs if run["status"] != "diverged"]
    scores = [_dev(run, run["metric"]) for run in finished]
    if None in scores:
        raise InputError("metrics.dev", scores, "a finished run has a dev score")
    losses = [_dev(run, "loss") for run in finished]
    loss = math.inf if None in losses else _mean(losses)
    return len(runs) - len(finished), -_mean(scores), loss


def _dev(run: Record, name: str) -> float | None:
    return (run["metrics"].get("dev") or {}).get(name)


def _mean(values: Sequence[Any]) -> float:
    """Rounded, so that equal scores in another order of addition stay equal."""
    return round(math.fsum(values) / len(values), 9) if values else 0.0

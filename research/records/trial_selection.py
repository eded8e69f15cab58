"""Selection of trials on dev: equal budgets for all approaches, one trial per cell goes to test.

A cell is an approach on a task in a regime. Its search runs are its trials (learning rates and the
like) with each of the search seeds. Test scores are never read here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from research.common.errors import InputError
from research.common.hashing import canonical
from research.records.schema import RunRecord


def choose(records: Iterable[RunRecord]) -> Mapping[str, Any]:
    """The trial of a cell with the best mean dev score (headline metric) over its search seeds.

    A diverged run counts as worse than any score. Ties go to the lower mean dev loss, then to the
    trial that comes first in `records` (the order of the plan).
    Raises InputError unless all are runs of one cell and every trial has the same seeds, once each.
    """
    records = list(records)
    trials = _by_trial(records)
    _check_equal_seeds(records, trials)
    if len(trials) == 1:  # nothing to choose, so no dev score is needed
        return records[0].trial
    best = min(trials.values(), key=_rank)  # min keeps the first of equals
    return best[0].trial


def search_runs(records: Iterable[RunRecord], search_seeds: int | None = None) -> list[RunRecord]:
    """The runs of a cell that the choice rests on.

    They are the runs with the first `search_seeds` seeds; without this number, with the seeds that
    all trials share (the chosen trial has more).
    """
    records = list(records)
    if not records:
        return []
    if search_seeds is not None:
        seeds = set(sorted({record.seed for record in records})[:search_seeds])
    else:
        by_trial = _by_trial(records).values()
        seeds = set.intersection(*({record.seed for record in runs} for runs in by_trial))
    return [record for record in records if record.seed in seeds]


def same_trial(record: RunRecord, trial: Mapping[str, Any]) -> bool:
    """Whether a run belongs to this trial."""
    # Equal values can have different types, such as 1 and 1.0, which the canonical form shows.
    return record.trial == trial and record.trial_key == canonical(trial)


def _by_trial(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    trials: dict[str, list[RunRecord]] = {}
    for record in records:
        trials.setdefault(record.trial_key, []).append(record)
    return trials


def _check_equal_seeds(
    records: Sequence[RunRecord], trials: Mapping[str, Sequence[RunRecord]]
) -> None:
    cells = {record.cell for record in records}
    if len(cells) != 1:
        raise InputError("records", sorted(cells), "a trial is chosen among the runs of one cell")
    metrics = {record.metric for record in records}
    if len(metrics) != 1:
        raise InputError("metric", sorted(metrics), "one headline metric per cell")
    seeds = {name: sorted(run.seed for run in runs) for name, runs in trials.items()}
    first = next(iter(seeds.values()))
    if any(other != first or len(set(other)) != len(other) for other in seeds.values()):
        where = " / ".join(next(iter(cells)))
        raise InputError(f"seeds of {where}", seeds, "every trial needs the same seeds, once each")


def _rank(runs: Sequence[RunRecord]) -> tuple[int, float, float]:
    """Sorts the better trial first: fewer diverged runs, higher mean score, lower mean loss."""
    finished = [run for run in runs if not run.diverged]
    scores = [run.score("dev") for run in finished]
    if None in scores:
        raise InputError("metrics.dev", scores, "a finished run has a dev score")
    losses = [run.metrics["dev"].get("loss") for run in finished]
    loss = math.inf if None in losses else _mean(losses)
    return len(runs) - len(finished), -_mean(scores), loss


def _mean(values: Sequence[Any]) -> float:
    """The mean, rounded, so that equal scores in another order of addition stay equal."""
    return round(math.fsum(values) / len(values), 9) if values else 0.0

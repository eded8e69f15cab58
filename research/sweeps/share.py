"""Shares of cohorts: the runs that are run together, by whichever worker."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from research.sweeps.lineage import lineage_id
from research.sweeps.plan import Run


@dataclass(frozen=True)
class Share:
    """Runs of a cohort that are run together. Both come from the plan alone."""

    cohort: tuple[Run, ...]
    runs: tuple[Run, ...]


def cohorts(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs that can share a compiled step, together; decided by the plan alone."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        stages = run.approach.stages
        shape = tuple((jax.tree.structure(stage.methods), stage.schedule) for stage in stages)
        groups.setdefault(shape, []).append(run)
    return list(groups.values())


def cohort_id(runs: Sequence[Run]) -> str:
    """The id of the cohort or share these runs are, in this order."""
    return hashlib.sha256(" ".join(run.id for run in runs).encode()).hexdigest()[:16]


def shares(runs: Sequence[Run], vmapped: bool) -> list[Share]:
    """The runs' cohorts, each cut into shares.

    A cohort whose members run as one program is not cut. Where the host calls them one after the
    other each is bit-equal to a single run, so that each is a share of its own, together with those
    that come from the very same training.
    """
    found = []
    for cohort in cohorts(runs):
        parts: dict[Any, list[Run]] = {}
        for run in cohort:
            last = len(run.approach.stages) - 1
            own = run.id if last < 0 else vmapped or lineage_id(run, last)
            parts.setdefault(own, []).append(run)
        found += [Share(tuple(cohort), tuple(part)) for part in parts.values()]
    return found

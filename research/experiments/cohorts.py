"""Shares of cohorts: the runs that are run together, by whichever worker."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax

from research.common.config import non_default
from research.common.hashing import run_id
from research.experiments.plan import CODE_VERSION, Run


@dataclass(frozen=True)
class Shard:
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


def shards(runs: Sequence[Run], vmapped: bool) -> list[Shard]:
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
            own = run.id if last < 0 else vmapped or stage_id(run, last)
            parts.setdefault(own, []).append(run)
        found += [Shard(tuple(cohort), tuple(part)) for part in parts.values()]
    return found


def stage_settings(run: Run, index: int) -> dict[str, Any]:
    """What makes the leaves that a run has after stage `index`: two runs with the same have the
    same leaves.
    """
    cell, approach = run.cell, run.approach
    until = []
    for stage, plain in zip(approach.stages, approach.plain(non_default)["stages"], strict=True):
        task = cell.task_of(stage)
        until.append(
            {
                **plain,
                "task": {"name": task.name, "checksum": task.checksum},
                "regime": str(stage.regime or cell.regime),
                "template": approach.template if stage.template is None else stage.template,
            }
        )
    whole = non_default(replace(approach, stages=()))
    experiment = cell.experiment
    return {
        "code_version": CODE_VERSION,
        "prompt": {
            name: whole[name] for name in ("demonstrations", "choice", "draw") if name in whole
        },
        "stages": until[: index + 1],
        **approach.sources(index + 1),
        "seed": run.seeds.plain,
        "max_dev": experiment.max_dev,
        "backbone": cell.backbone_checksum,
        "too_long": experiment.too_long,
        "precision": experiment.precision,
        **experiment.cut_at,
        # Every method at work in the end takes its positions from the room that texts have.
        "positions": sum(method.positions for method in approach.at_work()),
    }


def stage_id(run: Run, index: int) -> str:
    """The id of the stage `index` of a run, with all before it."""
    return run_id(stage_settings(run, index))

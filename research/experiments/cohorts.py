"""Cohorts: runs that share a compiled step; and their shards, which run together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax

from research.common.config import non_default
from research.common.hashing import run_id, sha256
from research.experiments.plan import CODE_VERSION, Run
from research.experiments.prompt import LAYOUT
from research.experiments.stage_sequence import methods_after

# Fields of a prompt that decide what a stage trains on.
STAGE_PROMPT = ("demonstrations", "choice", "draw", "target_end", *LAYOUT)


@dataclass(frozen=True)
class Shard:
    """Runs of a cohort that run together.

    Attributes:
        cohort: all runs of the cohort, as planned.
        runs: the runs of the shard.
    """

    cohort: tuple[Run, ...]
    runs: tuple[Run, ...]


def cohorts(runs: Sequence[Run]) -> list[list[Run]]:
    """Groups the runs that can share a compiled step; depends on the plan alone."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        stages = run.approach.stages
        shape = tuple((jax.tree.structure(stage.methods), stage.schedule) for stage in stages)
        groups.setdefault(shape, []).append(run)
    return list(groups.values())


def cohort_id(runs: Sequence[Run]) -> str:
    """The id of a cohort or shard with these runs, in this order."""
    return sha256(" ".join(run.id for run in runs).encode())[:16]


def shards(runs: Sequence[Run], vmapped: bool) -> list[Shard]:
    """The shards of all cohorts of the runs.

    With vmap a cohort is one shard. Without vmap each run is its own shard, since it gives the same
    bits alone; runs with the same training, such as those of several templates, share one.
    """
    cohort_shards = []
    for cohort in cohorts(runs):
        parts: dict[Any, list[Run]] = {}
        for run in cohort:
            last = len(run.approach.stages) - 1
            key = run.id if last < 0 else vmapped or stage_id(run, last)
            parts.setdefault(key, []).append(run)
        cohort_shards += [Shard(tuple(cohort), tuple(part)) for part in parts.values()]
    return cohort_shards


def stage_settings(run: Run, index: int) -> dict[str, Any]:
    """Settings that determine the leaves of a run after stage `index` (the cache key)."""
    cell, approach = run.cell, run.approach
    stages = []
    for stage, plain in zip(approach.stages, approach.plain(non_default)["stages"], strict=True):
        task = cell.task_of(stage)
        stages.append(
            {
                **plain,
                "task": {"name": task.name, "checksum": task.checksum},
                "regime": str(stage.regime or cell.regime),
                "template": approach.template if stage.template is None else stage.template,
            }
        )
    prompt = non_default(replace(approach, stages=()))
    experiment = cell.experiment
    return {
        "code_version": CODE_VERSION,
        "prompt": {name: prompt[name] for name in STAGE_PROMPT if name in prompt},
        "stages": stages[: index + 1],
        **approach.sources(index + 1),
        "seed": run.seeds.plain,
        "max_dev": experiment.max_dev,
        "backbone": cell.backbone_checksum,
        "too_long": experiment.too_long,
        "precision": experiment.precision,
        **experiment.input_settings,
        **run.chat_settings,
        # Every method at work in the end takes positions from the texts.
        "positions": sum(method.positions for method in methods_after(approach.stages)),
    }


def stage_id(run: Run, index: int) -> str:
    """The id of stage `index` of a run together with all earlier stages."""
    return run_id(stage_settings(run, index))

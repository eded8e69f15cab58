"""The configuration of a run as its record stores it."""

from typing import Any

from research.common.config import resolved
from research.experiments.plan import Run


def run_configuration(run: Run) -> dict[str, Any]:
    """The whole resolved configuration, for readers and for the order of the table."""
    cell, experiment = run.cell, run.cell.experiment
    common = {
        name: resolved(getattr(experiment, name))
        for name in ("name", "backbone", "seeds", "search_seeds", "max_dev", "too_long")
    }
    several = {"backbones": list(experiment.backbones)} if experiment.backbones else {}
    return {
        **common,
        **several,
        **experiment.crossed_at,
        "precision": experiment.precision,
        "max_tokens": experiment.max_tokens,
        "bos": experiment.bos,
        "held_out": experiment.held_out,
        "devices": resolved(experiment.devices),
        "task": resolved(cell.task_settings),
        "approach": run.approach.plain(),
        "trials": resolved(cell.trials),
        "order": dict(cell.order),
    }

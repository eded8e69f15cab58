"""Runs what is missing of an experiment."""

from pathlib import Path

import jax.numpy as jnp
from rich.console import Console

from research.models.backbone import load_backbone, load_tokenizer
from research.paths import located
from research.sweeps.cell_run import CellRun
from research.sweeps.experiment import Experiment
from research.sweeps.ledger import Ledger
from research.sweeps.model_run import Bench, check_run
from research.sweeps.plan import cells
from research.sweeps.progress import Progress


def sweep(experiment: Experiment, folder: Path, console: Console) -> None:
    """Brings every cell to its end, records in `folder`; shows progress on `console`.

    Everything that can be wrong with the input is found before anything is trained.
    Raises InputError.
    """
    tasks = {settings.name: settings.load() for settings in experiment.tasks}
    name = located(experiment.backbone, "config.backbone")
    backbone = load_backbone(name)
    bench = Bench(
        backbone,
        load_tokenizer(name, backbone.model),
        experiment.devices,
        jnp.dtype(experiment.precision),
        folder / "checkpoints",
    )
    plan = list(cells(experiment, tasks, backbone.checksum))
    ledger, progress = Ledger(folder), Progress(plan, console)
    missing = []
    for cell in plan:
        run = CellRun(cell, bench, ledger, progress)
        if run.is_done():
            progress.skip(cell)
        else:
            missing.append(run)
    for run in missing:
        for first in run.cell.search():
            check_run(first, bench)
    for run in missing:
        progress.start(run.cell)
        run.finish()
    progress.close()

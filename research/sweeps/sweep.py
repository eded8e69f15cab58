"""Runs what is missing of an experiment."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
from rich.console import Console

from research.models.backbone import load_backbone, load_tokenizer
from research.paths import located
from research.sweeps.bench import Bench
from research.sweeps.cell_run import CellRun
from research.sweeps.claim import claimed
from research.sweeps.experiment import Experiment
from research.sweeps.held_out import read_held_out
from research.sweeps.ledger import Ledger
from research.sweeps.lineage import Stages
from research.sweeps.plan import cells
from research.sweeps.progress import Progress


def sweep(experiment: Experiment, folder: Path, console: Console) -> None:
    """Brings every cell to its end, records in `folder`; shows progress on `console`.

    Everything that can be wrong with the input is found before anything is trained.
    Raises InputError.
    """
    tasks = {settings.name: settings.load() for settings in experiment.tasks}
    folder_or_id = located(experiment.backbone, "config.backbone")
    mesh = experiment.devices.mesh() if experiment.devices.fsdp > 1 else None
    backbone = replace(load_backbone(folder_or_id, mesh=mesh), name=experiment.backbone)
    tokenizer, source = load_tokenizer(folder_or_id, backbone.model), experiment.held_out
    bench = Bench(
        backbone,
        tokenizer,
        experiment.devices,
        jnp.dtype(experiment.precision),
        folder / "checkpoints",
        Stages(folder / "stages"),
        None if source is None else read_held_out(source, tokenizer),
    )
    plan = list(cells(experiment, tasks, backbone.checksum))
    ledger, progress = Ledger(folder), Progress(plan, console)
    ledger.all()  # raises for a record that is not what it was
    every = [CellRun(cell, bench, ledger, progress) for cell in plan]
    done = [run for run in every if run.is_done()]
    missing = [run for run in every if run not in done]
    for run in missing:
        run.check()
    with claimed(folder):
        ledger.clear()
        for run in every:
            bench.stages.expect(run.stages)
        for run in done:
            progress.skip(run.cell)
            run.clear()
        _finish(missing, experiment.workers or default_workers(), progress)
        for rest in (bench.checkpoints, bench.stages.folder):
            if rest.is_dir() and not any(rest.iterdir()):
                rest.rmdir()
    progress.close()


def default_workers() -> int:
    """How many cells run at the same time: on CPU small steps keep about one core each busy."""
    return min(os.cpu_count() or 1, 4) if jax.default_backend() == "cpu" else 1


def _finish(runs: Sequence[CellRun], workers: int, progress: Progress) -> None:
    """Finishes the cells in order, `workers` at a time; the first error ends all."""
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(run.finish) for run in runs]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            progress.stop()
            pool.shutdown(cancel_futures=True)

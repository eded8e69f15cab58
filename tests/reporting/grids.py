"""Grids of one task made of matrices: what advice is given on, without files."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from research.evaluation.baselines import BASELINES
from research.records.costs import Costs
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from tests.run_records import CONFIGURATION, make_record, stage

TASK = "films"
TRAINED = {"stages": [stage("lora")]}
COSTS = Costs(trained_params=0, stored_bytes=0, added_tokens=0, train_seconds=1.0)


def cell(name: str, matrix: np.ndarray, regime: str, n_train: int, **costs: Any) -> ResultCell:
    """A cell whose seeds answered the items as `matrix` [S, I] says."""
    runs = [
        make_record(
            seed,
            run_id=f"{name} {regime} {seed}",
            approach=name,
            task=TASK,
            regime=regime,
            n_train=n_train,
            configuration=replace(CONFIGURATION, seeds=len(matrix), approach=TRAINED),
            backbone=None,
            costs=replace(COSTS, **costs),
            metrics={"test": {"accuracy": float(row.mean())}, "ood": {"accuracy": 0.5}},
        )
        for seed, row in enumerate(matrix)
    ]
    return ResultCell(
        key=(name, TASK, regime),
        runs=tuple(runs),
        records=tuple(runs),
        influence={"accuracy": matrix},
        predictions=(),
        search=(),
    )


def grid(approaches: Mapping[str, Any], regimes: Mapping[str, int] | None = None) -> Grid:
    """approaches: (matrix, costs) by name, the same in each regime."""
    regimes = regimes or {"500": 500}
    cells = [
        cell(name, matrix, regime, n_train, **costs)
        for name, (matrix, costs) in approaches.items()
        for regime, n_train in regimes.items()
    ]
    return Grid(
        name="made",
        backbone=None,
        rows=tuple(approaches),
        baselines=frozenset(name for name in approaches if name in BASELINES),
        columns=tuple((TASK, regime) for regime in regimes),
        cells={one.key: one for one in cells},
        best=frozenset(),
    )


def answers(score: float, spread: float = 0.0, seeds: int = 5, items: int = 400, seed: int = 0):
    """Right answers [S, I]: of each seed an exact share, `spread` apart over the seeds."""
    rng = np.random.default_rng([seed, items])
    shares = score + spread * np.linspace(-1, 1, seeds)
    return np.stack([rng.permutation(items) < round(share * items) for share in shares]) * 1.0

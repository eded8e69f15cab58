"""Two results folders, cell by cell: which differences are beyond noise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.errors import InputError
from research.reporting.cells import Cell, Grid
from research.reporting.gap import Gap
from research.reporting.neighbours import FACTS
from research.reporting.statistics import variance
from research.sweeps.protocol import CellKey

LEVEL = 0.05


@dataclass(frozen=True)
class Pair:
    """The same approach, task and regime in both. gap: the first's score less the second's. p: of
    no difference. how: what the test pairs. beyond: whether p falls, corrected for all pairs.
    """

    first: Cell
    second: Cell
    gap: Gap
    p: float
    how: str
    beyond: bool = False


@dataclass(frozen=True)
class Comparison:
    """pairs: in the order of the first. only: what the first, and the second, has alone. unlike:
    keys of both whose scores are of different metrics. facts: in what the pairs differ besides.
    """

    names: tuple[str, str]
    pairs: tuple[Pair, ...]
    only: tuple[tuple[CellKey, ...], tuple[CellKey, ...]]
    unlike: tuple[CellKey, ...]
    facts: tuple[str, ...]


def compare(first: Grid, second: Grid, names: tuple[str, str]) -> Comparison:
    """Every cell that both have tested; raises InputError where there is none."""
    ours, theirs = _tested(first), _tested(second)
    shared = [key for key in ours if key in theirs]
    if not shared:
        allowed = "they share no approach on the same task and regime"
        raise InputError("against", names[1], allowed)
    alike = [key for key in shared if ours[key].headline == theirs[key].headline]
    pairs = [_pair(ours[key], theirs[key]) for key in alike]
    fallen = holm([pair.p for pair in pairs], LEVEL)
    return Comparison(
        names,
        tuple(
            Pair(**{**vars(pair), "beyond": falls})
            for pair, falls in zip(pairs, fallen, strict=True)
        ),
        (
            tuple(key for key in ours if key not in theirs),
            tuple(key for key in theirs if key not in ours),
        ),
        tuple(key for key in shared if key not in alike),
        tuple(_facts(pairs)),
    )


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which hypotheses fall, by Holm's step-down rule (1979): family-wise error at most `level`."""
    fallen = [False] * len(p_values)
    for step, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] > level / (len(p_values) - step):
            break
        fallen[i] = True
    return fallen


def _tested(grid: Grid) -> dict[CellKey, Cell]:
    return {cell.key: cell for cell in grid.tested()}


def _pair(first: Cell, second: Cell) -> Pair:
    """Paired on the seeds that both have if they answered the same items, else as two samples."""
    ids = [[run["run_id"] for run in cell.runs] for cell in (first, second)]
    same = all(
        np.array_equal(one.gold, other.gold)
        for one, other in zip(first.predictions[:1], second.predictions[:1], strict=True)
    ) and _data(first) == _data(second)
    seeds = [seed for seed in first.seeds if seed in second.seeds]
    if same and seeds:
        ours, theirs = (
            cell.influence[cell.headline][[seed in seeds for seed in cell.seeds]]
            for cell in (first, second)
        )
        gap, p = Gap.of(ours - theirs)
        how = "the same runs" if ids[0] == ids[1] else f"paired on {len(seeds)} seeds and the items"
        return Pair(first, second, gap, p, how)
    gap, p = _welch(*(cell.influence[cell.headline] for cell in (first, second)))
    how = "unpaired: no seed in common" if same else "unpaired: other items"
    return Pair(first, second, gap, p, how)


def _welch(ours: np.ndarray, theirs: np.ndarray) -> tuple[Gap, float]:
    """Of two influence matrices that share nothing: their two-way variances add up, with degrees of
    freedom after Welch (1947). Where they share items it says too little rather than too much.
    """
    (v, f), (w, g) = variance(ours), variance(theirs)
    total = float(v + w)
    degrees = total**2 / (v**2 / f + w**2 / g) if total > 0 else 1.0
    return Gap.around(float(ours.mean() - theirs.mean()), total, float(degrees))


def _data(cell: Cell) -> str | None:
    return cell.runs[0]["data"].get("task_checksum")


def _facts(pairs: Sequence[Pair]) -> list[str]:
    """In what the runs of the pairs differ, and in how many."""
    found = []
    others = {"backbone": _backbone, "settings": _settings, "chosen trial": _trial}
    for name, value in {**FACTS, **others}.items():
        count = sum(value(pair.first) != value(pair.second) for pair in pairs)
        if count:
            found.append(f"{name} ({count} of {len(pairs)})")
    return found


def _trial(cell: Cell) -> str:
    return str(sorted(cell.runs[0]["trial"].items()))


def _settings(cell: Cell) -> str:
    return str(cell.runs[0]["settings"].get("approach"))


def _backbone(cell: Cell) -> str:
    return str((cell.runs[0]["backbone"] or {}).get("checksum"))

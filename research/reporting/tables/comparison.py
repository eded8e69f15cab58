"""Two results folders, cell by cell: which differences are beyond noise."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from research.common.errors import InputError
from research.records.schema import CellKey
from research.reporting.format import percent
from research.reporting.grid.grid import Grid, ResultCell
from research.reporting.grid.provenance import FACTS
from research.reporting.table import Table, TableCell
from research.stats.intervals import MeanDifference, variance
from research.stats.multiple_testing import holm

LEVEL = 0.05


@dataclass(frozen=True)
class Pair:
    """The same approach, task and regime in both. gap: the first's score less the second's. p: of
    no difference. how: what the test pairs. beyond: whether p falls, corrected for all pairs.
    """

    first: ResultCell
    second: ResultCell
    gap: MeanDifference
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


def _tested(grid: Grid) -> dict[CellKey, ResultCell]:
    return {cell.key: cell for cell in grid.tested()}


def _pair(first: ResultCell, second: ResultCell) -> Pair:
    """Paired on the seeds that both have if they answered the same items, else as two samples."""
    ids = [[run.run_id for run in cell.runs] for cell in (first, second)]
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
        gap, p = MeanDifference.of(ours - theirs)
        how = "the same runs" if ids[0] == ids[1] else f"paired on {len(seeds)} seeds and the items"
        return Pair(first, second, gap, p, how)
    gap, p = _welch(*(cell.influence[cell.headline] for cell in (first, second)))
    how = "unpaired: no seed in common" if same else "unpaired: other items"
    return Pair(first, second, gap, p, how)


def _welch(ours: np.ndarray, theirs: np.ndarray) -> tuple[MeanDifference, float]:
    """Of two influence matrices that share nothing: their two-way variances add up, with degrees of
    freedom after Welch (1947). Where they share items it says too little rather than too much.
    """
    (v, f), (w, g) = variance(ours), variance(theirs)
    total = float(v + w)
    degrees = total**2 / (v**2 / f + w**2 / g) if total > 0 else 1.0
    return MeanDifference.around(float(ours.mean() - theirs.mean()), total, float(degrees))


def _data(cell: ResultCell) -> str:
    return cell.runs[0].data.task_checksum


def _facts(pairs: Sequence[Pair]) -> list[str]:
    """In what the runs of the pairs differ, and in how many."""
    found = []
    others = {"backbone": _backbone, "settings": _settings, "chosen trial": _trial}
    for name, value in {**FACTS, **others}.items():
        count = sum(value(pair.first) != value(pair.second) for pair in pairs)
        if count:
            found.append(f"{name} ({count} of {len(pairs)})")
    return found


def _trial(cell: ResultCell) -> str:
    return str(sorted(cell.runs[0].trial.items()))


def _settings(cell: ResultCell) -> str:
    return str(cell.runs[0].settings.get("approach"))


def _backbone(cell: ResultCell) -> str:
    backbone = cell.runs[0].backbone
    return "none" if backbone is None else backbone.checksum


def comparison_table(found: Comparison) -> Table:
    """A line for each cell that both have, in the order of the first."""
    heads = (*found.names, "difference", "beyond noise", "test")
    return Table(
        title=f"{found.names[0]} against {found.names[1]}",
        heads=tuple((head, "") for head in heads),
        scores=len(heads),
        rows=tuple((", ".join(pair.first.key), _entries(pair)) for pair in found.pairs),
        baselines=(),
        notes=tuple(_notes(found)),
    )


def _entries(pair: Pair) -> tuple[TableCell, ...]:
    scores = (percent(cell.score(cell.headline)) for cell in (pair.first, pair.second))
    beyond = "yes" if pair.beyond else "no"
    return tuple(map(TableCell, (*scores, pair.gap.text(), beyond, pair.how)))


def _notes(found: Comparison) -> Iterator[str]:
    beyond = sum(pair.beyond for pair in found.pairs)
    yield (
        f"{beyond} of {len(found.pairs)} differences are beyond noise (t tests, Holm-corrected, "
        "5 %). Difference: the first less the second, in points, with its own 95 % interval."
    )
    yield (
        "Paired: of runs with the same seed on the same test items. Unpaired: the two-way variances"
        " of both add up (Welch's degrees of freedom)."
    )
    if found.facts:
        yield f"The pairs differ in more than chance: {', '.join(found.facts)}."
    for name, keys in zip(found.names, found.only, strict=True):
        if keys:
            yield f"Only in {name}: {_named(keys)}."
    if found.unlike:
        yield f"Scored by different metrics, so left out: {_named(found.unlike)}."


def _named(keys: Sequence[CellKey]) -> str:
    """The approaches that have the same columns stand together."""
    columns: dict[str, list[str]] = defaultdict(list)
    for approach, *column in keys:
        columns[approach].append(", ".join(column))
    rows: dict[str, list[str]] = defaultdict(list)
    for approach, where in columns.items():
        rows[" and ".join(where)].append(approach)
    return "; ".join(f"on {where}: {', '.join(names)}" for where, names in rows.items())

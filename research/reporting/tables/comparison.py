"""Compares two results folders cell by cell and tests the differences."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from research.common.errors import InputError
from research.records.schema import CellKey
from research.reporting.format import counted, percent
from research.reporting.grid.cell import ResultCell, shared_seeds
from research.reporting.grid.grid import Grid
from research.reporting.grid.provenance import FACTS
from research.reporting.table import Table, TableCell
from research.stats.intervals import variance
from research.stats.mean_difference import MeanDifference
from research.stats.multiple_testing import holm

LEVEL = 0.05


@dataclass(frozen=True)
class Pair:
    """The same approach, task and regime in both folders.

    Attributes:
        first: cell of the first folder.
        second: cell of the second folder.
        gap: score of the first minus score of the second.
        p: p value of no difference.
        how: how the test pairs the runs.
        significant: whether the difference is significant, corrected for all pairs.
    """

    first: ResultCell
    second: ResultCell
    gap: MeanDifference
    p: float
    how: str
    significant: bool = False


@dataclass(frozen=True)
class Comparison:
    """The comparison of two results folders.

    Attributes:
        names: names of the two folders.
        pairs: cells of both, in the order of the first.
        only: cells that only the first, and only the second, has.
        unlike: cells of both whose metrics differ.
        facts: further differences between the pairs, such as code versions.
    """

    names: tuple[str, str]
    pairs: tuple[Pair, ...]
    only: tuple[tuple[CellKey, ...], tuple[CellKey, ...]]
    unlike: tuple[CellKey, ...]
    facts: tuple[str, ...]


def compare(first: Grid, second: Grid, names: tuple[str, str]) -> Comparison:
    """Compares the cells that both have tested; raises InputError where there are none."""
    ours, others = ({cell.key: cell for cell in grid.tested()} for grid in (first, second))
    shared = [key for key in ours if key in others]
    if not shared:
        allowed = "they share no approach on the same task and regime"
        raise InputError("against", names[1], allowed)
    alike = [key for key in shared if ours[key].headline == others[key].headline]
    pairs = [_pair(ours[key], others[key]) for key in alike]
    significant = holm([pair.p for pair in pairs], LEVEL)
    return Comparison(
        names,
        tuple(
            replace(pair, significant=differs)
            for pair, differs in zip(pairs, significant, strict=True)
        ),
        (
            tuple(key for key in ours if key not in others),
            tuple(key for key in others if key not in ours),
        ),
        tuple(key for key in shared if key not in alike),
        tuple(_facts(pairs)),
    )


def _pair(first: ResultCell, second: ResultCell) -> Pair:
    """The test is paired on the common seeds if both answered the same items, else unpaired."""
    ids = [[run.run_id for run in cell.runs] for cell in (first, second)]
    same = all(
        np.array_equal(ours.gold, others.gold)
        for ours, others in zip(first.predictions[:1], second.predictions[:1], strict=True)
    ) and _data(first) == _data(second)
    seeds = shared_seeds((first, second))
    if same and seeds:
        gap, p = MeanDifference.of(first.influence_on(seeds) - second.influence_on(seeds))
        paired = f"paired, {counted(len(seeds), 'seed')} and the items"
        how = "the same runs" if ids[0] == ids[1] else paired
        return Pair(first, second, gap, p, how)
    gap, p = _welch(*(cell.influence[cell.headline] for cell in (first, second)))
    how = "unpaired: no seed in common" if same else "unpaired: other items"
    return Pair(first, second, gap, p, how)


def _welch(ours: np.ndarray, others: np.ndarray) -> tuple[MeanDifference, float]:
    """The difference of two independent influence matrices: the sum of their two-way variances,
    with degrees of freedom after Welch (1947). It is conservative where they share items.
    """
    (v, f), (w, g) = variance(ours), variance(others)
    total = float(v + w)
    degrees = total**2 / (v**2 / f + w**2 / g) if total > 0 else 1.0
    return MeanDifference.around(float(ours.mean() - others.mean()), total, float(degrees))


def _data(cell: ResultCell) -> str:
    return cell.runs[0].data.task_checksum


def _facts(pairs: Sequence[Pair]) -> list[str]:
    """Facts in which the runs of pairs differ, and in how many pairs."""
    differing = []
    facts = FACTS | {"backbone": _backbone, "settings": _settings, "chosen trial": _trial}
    for name, value in facts.items():
        count = sum(value(pair.first) != value(pair.second) for pair in pairs)
        if count:
            differing.append(f"{name} ({count} of {len(pairs)})")
    return differing


def _trial(cell: ResultCell) -> str:
    return str(sorted(cell.runs[0].trial.items()))


def _settings(cell: ResultCell) -> str:
    return str(cell.runs[0].settings.get("approach"))


def _backbone(cell: ResultCell) -> str:
    backbone = cell.runs[0].backbone
    return "none" if backbone is None else backbone.checksum


def comparison_table(comparison: Comparison) -> Table:
    """A row for each cell of both folders, in the order of the first."""
    heads = (*comparison.names, "difference", "significant", "test")
    return Table(
        title=f"{comparison.names[0]} against {comparison.names[1]}",
        heads=tuple((head, "") for head in heads),
        scores=len(heads),
        rows=tuple((", ".join(pair.first.key), _entries(pair)) for pair in comparison.pairs),
        baselines=(),
        notes=tuple(_notes(comparison)),
    )


def _entries(pair: Pair) -> tuple[TableCell, ...]:
    scores = (percent(cell.score()) for cell in (pair.first, pair.second))
    significant = "yes" if pair.significant else "no"
    return tuple(map(TableCell, (*scores, pair.gap.text(), significant, pair.how)))


def _notes(comparison: Comparison) -> Iterator[str]:
    significant = sum(pair.significant for pair in comparison.pairs)
    yield (
        f"Significant differences: {significant} of {len(comparison.pairs)} (t tests, "
        "Holm-corrected, 5 %). Difference: first minus second, in points, with its own 95 % "
        "interval."
    )
    yield (
        "Paired: runs with the same seed on the same test items. Unpaired: sum of the two-way "
        "variances of both, with Welch's degrees of freedom."
    )
    if comparison.facts:
        yield f"The pairs also differ in: {', '.join(comparison.facts)}."
    for name, keys in zip(comparison.names, comparison.only, strict=True):
        if keys:
            yield f"Only in {name}: {_named(keys)}."
    if comparison.unlike:
        yield f"Left out, since their metrics differ: {_named(comparison.unlike)}."


def _named(keys: Sequence[CellKey]) -> str:
    """The cells as text; approaches with the same columns are grouped."""
    columns: dict[str, list[str]] = defaultdict(list)
    for approach, *column in keys:
        columns[approach].append(", ".join(column))
    rows: dict[str, list[str]] = defaultdict(list)
    for approach, where in columns.items():
        rows[" and ".join(where)].append(approach)
    return "; ".join(f"on {where}: {', '.join(names)}" for where, names in rows.items())

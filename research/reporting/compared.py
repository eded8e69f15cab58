"""The comparison of two results folders as a table."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from research.reporting.against import Comparison, Pair
from research.reporting.layout import Entry, Layout, percent
from research.sweeps.protocol import CellKey


def lay_out_comparison(found: Comparison) -> Layout:
    """A line for each cell that both have, in the order of the first."""
    heads = (*found.names, "difference", "beyond noise", "test")
    return Layout(
        title=f"{found.names[0]} against {found.names[1]}",
        heads=tuple((head, "") for head in heads),
        scores=len(heads),
        rows=tuple((", ".join(pair.first.key), _entries(pair)) for pair in found.pairs),
        baselines=(),
        notes=tuple(_notes(found)),
    )


def _entries(pair: Pair) -> tuple[Entry, ...]:
    scores = (percent(cell.score(cell.headline)) for cell in (pair.first, pair.second))
    beyond = "yes" if pair.beyond else "no"
    return tuple(map(Entry, (*scores, pair.gap.text(), beyond, pair.how)))


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

"""Advice as sentences."""

from collections.abc import Iterator, Sequence

from research.reporting.advice.candidates import Candidate
from research.reporting.advice.constraints import ALL_COSTS
from research.reporting.advice.recommend import Advice
from research.reporting.advice.table import format_cost, format_difference
from research.reporting.format import amount, byte_size, percent, points
from research.reporting.grid.cell import ResultCell
from research.stats.power import MOST_SEEDS


def sentences(advice: Advice) -> list[str]:
    """The recommendation, its reason, the alternatives, and the runs that would decide."""
    task, regime = advice.column
    where = f"{task}, {amount(regime)} ({advice.examples} to train on)"
    if advice.recommended is None:
        return [f"{where}: no recommendation.", *(_constant(advice) or _binding(advice))]
    cell = advice.recommended
    marks = " Provisional: it has few seeds." if cell.provisional else ""
    score = percent(cell.score())
    first = f"{where}: take {cell.key[0]}, {score}; {_conclusion(advice)}.{marks}"
    return [first, _rule(advice), *_others(advice), *_many(advice), *_doubts(advice)]


def _conclusion(advice: Advice) -> str:
    """Comparison with the other approaches that satisfy the constraints."""
    others = [c for c in advice.candidates[1:] if not c.violated]
    similar = sum(c.similar for c in others)
    better = sum(not c.similar and c.gap is not None and c.gap.mean > 0 for c in others)
    phrases = []
    if similar:
        number = f"{similar} other{'s' if similar > 1 else ''}"
        phrases.append(f"not significantly different from {number}")
    if better:
        phrases.append(f"{better} significantly better")
    return ", ".join(phrases) or "significantly different from all others"


def _rule(advice: Advice) -> str:
    """The reason of the recommendation."""
    constraints, pool = advice.constraints, advice.pool
    tolerance = points(constraints.tolerance)
    if advice.sure:
        condition = f"an interval above {100 * (constraints.score or 0):.1f}"
    else:
        condition = f"a mean within {tolerance} of the best and no significant difference from it"
    if len(pool) == 1:
        return f"Reason: it is the only approach with {condition}."
    order = ", then ".join(ALL_COSTS[name][0] for name in constraints.prefer)
    names = ", ".join(cell.key[0] for cell in pool if cell is not advice.recommended)
    return (
        f"Reason: it is the cheapest ({order}) of {len(pool)} approaches with {condition}. "
        f"The others: {names}."
    )


def _others(advice: Advice) -> Iterator[str]:
    """Approaches that are not significantly different, and the cheapest by other costs."""
    similar = [c for c in advice.candidates[1:] if c.similar]
    if similar:
        names = "; ".join(f"{c.cell.key[0]} {format_difference(c)}" for c in similar)
        yield f"Not significantly different, with the difference of scores in points: {names}."
        yield from _cheaper(advice, similar)
    cell = advice.recommended
    for field, name in ((field, ALL_COSTS[field][0]) for field in advice.costs):
        measured = [other for other in advice.pool if other.cost(field) is not None]
        least = min(measured, key=lambda other: other.cost(field) or 0.0, default=None)
        if least and cell and format_cost(least, field) != format_cost(cell, field):
            yield f"If {name} matter most: {least.key[0]} ({format_cost(least, field)})."


def _cheaper(advice: Advice, similar: Sequence[Candidate]) -> Iterator[str]:
    """The cheapest of these if it is cheaper than the recommended approach, and its risk."""
    price, cell = advice.constraints.price, advice.recommended
    least = min(similar, key=lambda candidate: price(candidate.cell))
    if cell is not None and least.gap and price(least.cell) < price(cell):
        yield (
            f"The cheapest of these is {least.cell.key[0]}; it may score up to "
            f"{points(max(-least.gap.low, 0.0))} less."
        )


def _many(advice: Advice) -> Iterator[str]:
    """Costs of many tasks together."""
    tasks, cell = advice.constraints.tasks, advice.recommended
    if tasks > 1 and cell is not None:
        stored, seconds = cell.cost("stored_bytes"), cell.cost("train_seconds")
        if stored is not None and seconds is not None:
            size = byte_size(tasks * stored)
            time = f"{tasks * seconds:.0f} seconds to train, once each"
            yield f"{tasks} such tasks: {size} beside the backbone, {time}."


def _doubts(advice: Advice) -> Iterator[str]:
    """Reasons why the recommendation may be wrong."""
    cell = advice.recommended
    if cell is None:
        return
    required = advice.constraints.score
    if required is not None and not advice.sure:
        yield f"No interval lies above {100 * required:.1f}, so this score is not certain."
    yield from _more_seeds(advice)
    if cell.not_learned:
        failed = f"{cell.not_learned} of {len(cell.runs)}"
        yield f"Runs of it that were no better on dev than without training: {failed}."


def _more_seeds(advice: Advice) -> Iterator[str]:
    """Number of seeds that would separate it from similar approaches beyond the tolerance."""
    tolerance, seeds = (
        advice.constraints.tolerance,
        min(len(c.cell.runs) for c in advice.candidates),
    )
    similar = [c for c in advice.candidates[1:] if c.similar and c.gap]
    distant = [c for c in similar if c.gap and abs(c.gap.mean) > tolerance]
    if not distant:
        return
    if seeds == 1:
        yield "More runs: one seed does not show the variance over seeds; use at least five."
        return
    needed, total = [c.seeds for c in distant if c.seeds], len(distant)
    phrases = []
    if needed:
        separated = f"would separate {len(needed)} of {total}"
        phrases.append(f"{max(needed)} seeds instead of {seeds} {separated}")
    if len(needed) < total:
        phrases.append(f"{MOST_SEEDS} seeds would not separate {total - len(needed)} of {total}")
    yield f"More runs, for differences of more than {points(tolerance)}: {'; '.join(phrases)}."


def _constant(advice: Advice) -> list[str]:
    """That no approach is better than a constant answer."""
    if advice.constant is None:
        return []
    best = next(c.cell for c in advice.candidates if c.cell.key[0] != advice.constant.key[0])
    return [
        f"The best approach within the constraints, {best.key[0]} "
        f"({percent(best.score())}), is not significantly better than a constant "
        f"answer ({advice.constant.key[0]}, {percent(advice.constant.score(best.headline))}): "
        "no approach has learned the task. Try more examples, other prompts or settings, or "
        "another backbone first."
    ]


def _binding(advice: Advice) -> list[str]:
    """The constraints that exclude all approaches."""
    nearest = advice.nearest
    missed = "; ".join(bound.describe(nearest.cell) for bound in nearest.violated)
    lines = [f"No approach satisfies all constraints. Nearest: {nearest.cell.key[0]}, {missed}."]
    for bound, cells in advice.without:
        if cells:
            names = _best_three(cells)
            lines.append(f"Binding constraint: {bound.name} {bound.limit}; without it: {names}.")
    if len(lines) == 1:
        lines.append("Without any single constraint there is still no such approach.")
    return lines


def _best_three(cells: Sequence[ResultCell]) -> str:
    """The best three cells with their scores, and the number of others."""
    best = sorted(cells, key=lambda cell: -cell.score().score)
    names = [f"{cell.key[0]} ({100 * cell.score().score:.1f})" for cell in best[:3]]
    return ", ".join(names) + (f" and {len(cells) - 3} more" if len(cells) > 3 else "")

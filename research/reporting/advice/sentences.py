"""Advice as sentences."""

from collections.abc import Iterator, Sequence

from research.reporting.advice.constraints import COSTS, points
from research.reporting.advice.recommend import Advice, Candidate
from research.reporting.advice.table import format_cost, format_difference
from research.reporting.format import amount, percent
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
    score = percent(cell.score(cell.headline))
    first = f"{where}: take {cell.key[0]}, {score}; {_conclusion(advice)}.{marks}"
    return [first, _rule(advice), *_others(advice), *_many(advice), *_doubts(advice)]


def _conclusion(advice: Advice) -> str:
    """Comparison with the other approaches that satisfy the constraints."""
    similar = sum(one.like for one in advice.candidates[1:])
    able = [one for one in advice.candidates[1:] if not one.missed and not one.like]
    better = sum(one.gap is not None and one.gap.mean > 0 for one in able)
    words = []
    if similar:
        others = f"{similar} other{'s' if similar > 1 else ''}"
        words.append(f"not significantly different from {others}")
    if better:
        words.append(f"{better} significantly better")
    return ", ".join(words) or "significantly different from all others"


def _rule(advice: Advice) -> str:
    constraints, pool = advice.constraints, advice.pool
    within = points(constraints.tolerance)
    if advice.sure:
        condition = f"an interval above {100 * (constraints.score or 0):.1f}"
    else:
        condition = f"a mean within {within} of the best and no significant difference from it"
    if len(pool) == 1:
        return f"Reason: it is the only approach with {condition}."
    order = ", then ".join(COSTS[name][0] for name in constraints.prefer)
    names = ", ".join(cell.key[0] for cell in pool if cell is not advice.recommended)
    return (
        f"Reason: it is the cheapest ({order}) of {len(pool)} approaches with {condition}. "
        f"The others: {names}."
    )


def _others(advice: Advice) -> Iterator[str]:
    """Approaches that are not significantly different, and the cheapest by other costs."""
    like = [one for one in advice.candidates[1:] if one.like]
    if like:
        names = "; ".join(f"{one.cell.key[0]} {format_difference(one)}" for one in like)
        yield f"Not significantly different, with the difference of scores in points: {names}."
        yield from _cheaper(advice, like)
    for name, (words, _) in COSTS.items():
        known = [cell for cell in advice.pool if cell.cost(name) is not None]
        least = min(known, key=lambda cell: cell.cost(name) or 0.0, default=None)
        taken = advice.recommended
        if least and taken and format_cost(least, name) != format_cost(taken, name):
            yield f"If {words} matter most: {least.key[0]} ({format_cost(least, name)})."


def _cheaper(advice: Advice, like: Sequence[Candidate]) -> Iterator[str]:
    """The cheapest of them, if it is cheaper than the recommended approach, and its risk."""
    price, taken = advice.constraints.price, advice.recommended
    least = min(like, key=lambda one: price(one.cell))
    if taken is not None and least.gap and price(least.cell) < price(taken):
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
            of = f"{COSTS['stored_bytes'][1](tasks * stored)} beside the backbone"
            yield f"{tasks} such tasks: {of}, {tasks * seconds:.0f} seconds to train, once each."


def _doubts(advice: Advice) -> Iterator[str]:
    cell = advice.recommended
    if cell is None:
        return
    wanted = advice.constraints.score
    if wanted is not None and not advice.sure:
        yield f"No interval lies above {100 * wanted:.1f}, so this score is not certain."
    yield from _settling(advice)
    idle = len(cell.known(lambda run: run.notes.not_learned))
    if idle:
        yield f"{idle} of its {len(cell.runs)} runs were no better on dev than without training."


def _settling(advice: Advice) -> Iterator[str]:
    """Number of seeds that would separate it from approaches beyond the tolerance."""
    near, seeds = advice.constraints.tolerance, min(len(one.cell.runs) for one in advice.candidates)
    far = [one for one in advice.candidates[1:] if one.like and one.gap]
    far = [one for one in far if one.gap and abs(one.gap.mean) > near]
    if not far:
        return
    if seeds == 1:
        yield "More runs: one seed does not show the variance over seeds; use at least five."
        return
    known, all_of = [one.seeds for one in far if one.seeds], len(far)
    parts = []
    if known:
        parts = [f"{max(known)} seeds instead of {seeds} would separate {len(known)} of {all_of}"]
    if len(known) < all_of:
        parts.append(f"{MOST_SEEDS} seeds would not separate {all_of - len(known)} of {all_of}")
    yield f"More runs, for differences of more than {points(near)}: {'; '.join(parts)}."


def _constant(advice: Advice) -> list[str]:
    if advice.constant is None:
        return []
    best = next(one.cell for one in advice.candidates if one.cell.key[0] != advice.constant.key[0])
    return [
        f"The best approach within the constraints, {best.key[0]} "
        f"({percent(best.score(best.headline))}), is not significantly better than a constant "
        f"answer ({advice.constant.key[0]}, {percent(advice.constant.score(best.headline))}): "
        "no approach has learned the task. Try more examples, other prompts or settings, or "
        "another backbone first."
    ]


def _binding(advice: Advice) -> list[str]:
    near = advice.nearest
    missed = "; ".join(bound.missed(near.cell) for bound in near.missed)
    lines = [f"No approach satisfies all constraints. Nearest: {near.cell.key[0]}, {missed}."]
    for bound, cells in advice.without:
        if cells:
            names = _few(cells)
            lines.append(f"Binding constraint: {bound.name} {bound.limit}; without it: {names}.")
    if len(lines) == 1:
        lines.append("Without any single constraint there is still no such approach.")
    return lines


def _few(cells: Sequence[ResultCell]) -> str:
    """The best three with their scores, and how many more."""
    best = sorted(cells, key=lambda cell: -cell.score(cell.headline).score)
    names = [f"{cell.key[0]} ({100 * cell.score(cell.headline).score:.1f})" for cell in best[:3]]
    return ", ".join(names) + (f" and {len(cells) - 3} more" if len(cells) > 3 else "")

"""Advice as sentences and as a table."""

from collections.abc import Iterator

from research.reporting.advice import Advice, Candidate, Gap
from research.reporting.cells import Cell
from research.reporting.constraints import COSTS, points
from research.reporting.layout import MISSING, Entry, Layout, amount, percent
from research.reporting.power import MOST_SEEDS, MOST_TIMES

HEADS = (
    ("score", "on test"),
    ("against the", "recommended"),
    ("", "verdict"),
    ("seeds", "to tell"),
    ("items", "to tell"),
    *((words, "") for words, _ in COSTS.values()),
)
NOTES = (
    "Against the recommended: the difference of the mean scores in points and its own 95 % "
    "interval, paired on seeds and test items; verdicts are corrected for all pairs, so one may "
    "be 'not told apart' though its interval leaves out 0.",
    "To tell: how many seeds (on these items) or test items (with these seeds) would tell it from "
    "the recommended four times in five if the difference is what it was found to be, from the "
    "variance components (Brennan 2001; noncentral t, Cohen 1988; see research/reporting/power.py)."
    f" >: beyond {MOST_SEEDS} seeds or {MOST_TIMES} times the items. A difference that noise has "
    "made looks easier to find than it is.",
    "Costs: medians over the runs, of one run; seconds leave compilation and the search out. "
    "Examples of dev, on which settings were chosen, are not counted.",
)


def sentences(advice: Advice) -> list[str]:
    """The answer, why, what else it may be, and what would settle it."""
    task, regime = advice.column
    where = f"{task}, {amount(regime)} ({advice.examples} to train on)"
    if advice.recommended is None:
        return [f"{where}: no recommendation.", *(_constant(advice) or _binding(advice))]
    cell = advice.recommended
    marks = " Provisional: it has few seeds." if cell.provisional else ""
    first = f"{where}: take {cell.key[0]}, {percent(cell.score(cell.headline))}.{marks}"
    return [first, _rule(advice), *_others(advice), *_many(advice), *_doubts(advice)]


def _rule(advice: Advice) -> str:
    constraints, pool = advice.constraints, advice.pool
    order = ", then ".join(COSTS[name][0] for name in constraints.prefer)
    if advice.sure:
        wanted = f"{100 * (constraints.score or 0):.1f}"
        group = f"of {len(pool)} whose interval lies above {wanted}"
    else:
        group = (
            f"of {len(pool)} that no test tells from the best and that are within "
            f"{points(constraints.tolerance)} of it"
        )
    names = ", ".join(cell.key[0] for cell in pool if cell is not advice.recommended)
    besides = f" The others: {names}." if names else ""
    return f"Why: the cheapest (by {order}) {group}.{besides}"


def _others(advice: Advice) -> Iterator[str]:
    """What it costs to take it, at worst, and who is cheapest in another sense."""
    like = [one for one in advice.candidates[1:] if one.like]
    if like:
        names = "; ".join(f"{one.cell.key[0]} ({gap(one.gap)})" for one in like)
        yield f"It cannot be told apart from: {names}. Differences are theirs less its own."
    else:
        yield "Every other approach that keeps the bounds is told apart from it."
    for name, (words, _) in COSTS.items():
        known = [cell for cell in advice.pool if cell.cost(name) is not None]
        least = min(known, key=lambda cell: cell.cost(name) or 0.0, default=None)
        taken = advice.recommended
        if least and taken and (least.cost(name) or 0) < (taken.cost(name) or 0):
            yield f"If {words} matters most: {least.key[0]} ({_cost(least, name)})."


def _many(advice: Advice) -> Iterator[str]:
    """What many tasks take together."""
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
        yield f"No interval lies wholly above {100 * wanted:.1f}, so this is not sure to be met."
    close = [one for one in advice.candidates[1:] if one.like and one.gap]
    needs = [one.seeds for one in close if one.seeds and abs(one.gap.mean) > 0.01]  # pyright: ignore
    if needs:
        yield (
            f"What would settle it: {min(needs)} to {max(needs)} seeds instead of "
            f"{len(cell.runs)} for the rivals more than a point away (column 'seeds to tell')."
        )
    idle = sum(bool(reason) for reason in cell.numbers("notes", "not_learned"))
    if idle:
        yield f"{idle} of its {len(cell.runs)} runs were no better on dev than without training."


def _constant(advice: Advice) -> list[str]:
    if advice.constant is None:
        return []
    best = next(one.cell for one in advice.candidates if one.cell.key[0] != advice.constant.key[0])
    return [
        f"The best that keeps the bounds, {best.key[0]} ({percent(best.score(best.headline))}), "
        f"cannot be told from answering always the same ({advice.constant.key[0]}, "
        f"{percent(advice.constant.score(best.headline))}): on these runs nothing has learned "
        "the task. More examples, other prompts or settings, or another backbone come first."
    ]


def _binding(advice: Advice) -> list[str]:
    near = advice.nearest
    missed = "; ".join(bound.missed(near.cell) for bound in near.missed)
    lines = [f"Nothing that was run keeps all bounds. Nearest: {near.cell.key[0]}, {missed}."]
    for bound, cells in advice.without:
        if cells:
            names = ", ".join(cell.key[0] for cell in cells)
            lines.append(f"Binding: {bound.name} {bound.limit}; without it: {names}.")
    if len(lines) == 1:
        lines.append("No bound binds alone: without any single one there is still nothing.")
    return lines


def gap(found: Gap | None) -> str:
    """`+1.2 [-0.3, +2.7]`, in points."""
    if found is None:
        return MISSING
    return f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def lay_out_advice(advice: Advice) -> Layout:
    """A line for each approach; the recommended one first, then what is not told from it."""
    rows = tuple((one.cell.key[0], _entries(advice, one)) for one in advice.candidates)
    runs = [one for one in advice.candidates if one.like or one.cell is advice.recommended]
    ids = "; ".join(f"{o.cell.key[0]}: {' '.join(r['run_id'] for r in o.cell.runs)}" for o in runs)
    return Layout(
        title=f"{advice.column[0]}, {amount(advice.column[1])}: the evidence",
        heads=HEADS,
        scores=len(HEADS) - len(COSTS),
        rows=rows,
        baselines=(),
        notes=(*NOTES, *([f"Runs of {ids}."] if ids else [])),
    )


def _entries(advice: Advice, one: Candidate) -> tuple[Entry, ...]:
    like = one.like or one.cell is advice.recommended
    texts = (gap(one.gap), _verdict(advice, one), *_needed(one))
    costs = (_cost(one.cell, name) for name in COSTS)
    score = Entry(percent(one.cell.score(one.cell.headline)), like)
    return (score, *map(Entry, (*texts, *costs)))


def _verdict(advice: Advice, one: Candidate) -> str:
    if one.cell is advice.recommended:
        return "recommended"
    if one.missed:
        return "misses " + ", ".join(bound.name for bound in one.missed)
    if advice.recommended is None:
        return MISSING
    if one.like:
        return "not told apart"
    return "better" if one.gap and one.gap.mean > 0 else "worse"


def _needed(one: Candidate) -> tuple[str, str]:
    if not one.like or one.gap is None or abs(one.gap.mean) < 1e-9:
        return MISSING, MISSING
    return str(one.seeds or f">{MOST_SEEDS}"), f"{one.items:,}" if one.items else ">"


def _cost(cell: Cell, name: str) -> str:
    value = cell.cost(name)
    return MISSING if value is None else COSTS[name][1](value)

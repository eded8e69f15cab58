"""The table behind a recommendation."""

from research.reporting.advice.constraints import COSTS
from research.reporting.advice.recommend import Advice, Candidate
from research.reporting.format import MISSING, amount, percent
from research.reporting.grid.cell import ResultCell
from research.reporting.table import Table, TableCell
from research.stats.power import MOST_SEEDS, MOST_TIMES

SHOWN = ("stored_bytes", "added_tokens", "train_seconds")  # costs that have a column
HEADS = (
    ("score", "on test"),
    ("against the", "recommended"),
    ("", "verdict"),
    ("seeds", "needed"),
    ("items", "needed"),
    *((COSTS[name][0].partition(" ")[0], COSTS[name][0].partition(" ")[2]) for name in SHOWN),
)
NOTES = (
    "Against the recommended: the difference of the mean scores in points and its own 95 % "
    "interval, paired on seeds and test items; verdicts are corrected for all pairs, so one may "
    "be 'not different' though its interval excludes 0.",
    "Needed: number of seeds (on these items) or test items (with these seeds) that would show the "
    "measured difference with a power of 80 %, from the variance components (Brennan 2001; "
    "noncentral t, Cohen 1988; see research/stats/power.py). "
    f">: more than {MOST_SEEDS} seeds or {MOST_TIMES} times the items. A difference made by noise "
    "seems easier to detect than it is.",
    "Bytes are stored per task; tokens are added to each input. Costs are medians over the runs; "
    "seconds exclude compilation and the search. Dev examples, which select the settings, are not "
    "counted.",
)


def advice_table(advice: Advice) -> Table:
    """One row per approach, in the order of `Advice.candidates`."""
    rows = tuple((one.cell.key[0], _entries(advice, one)) for one in advice.candidates)
    runs = [one for one in advice.candidates if one.like or one.cell is advice.recommended]
    ids = "; ".join(f"{o.cell.key[0]}: {' '.join(r.run_id for r in o.cell.runs)}" for o in runs)
    return Table(
        title=f"{advice.column[0]}, {amount(advice.column[1])}: the evidence",
        heads=HEADS,
        scores=2,
        rows=rows,
        baselines=(),
        notes=(f"Runs of {ids}.",) if ids else (),
    )


def _entries(advice: Advice, one: Candidate) -> tuple[TableCell, ...]:
    like = one.like or one.cell is advice.recommended
    texts = (format_difference(one), _verdict(advice, one), *_needed(one))
    costs = (format_cost(one.cell, name) for name in SHOWN)
    score = TableCell(percent(one.cell.score(one.cell.headline)), like)
    return (score, *map(TableCell, (*texts, *costs)))


def format_difference(one: Candidate) -> str:
    """Difference from the recommended approach, with its interval."""
    return MISSING if one.gap is None else one.gap.text()


def _verdict(advice: Advice, one: Candidate) -> str:
    if one.cell is advice.recommended:
        return "recommended"
    if one.missed:
        return "violates " + ", ".join(bound.name for bound in one.missed)
    if advice.recommended is None:
        return MISSING
    if one.like:
        return "not different"
    return "better" if one.gap and one.gap.mean > 0 else "worse"


def _needed(one: Candidate) -> tuple[str, str]:
    if not one.like or one.gap is None or abs(one.gap.mean) < 1e-9:
        return MISSING, MISSING
    items = one.cell.score(one.cell.headline).items
    most = f">{MOST_TIMES * items:,}"
    return str(one.seeds or f">{MOST_SEEDS}"), f"{one.items:,}" if one.items else most


def format_cost(cell: ResultCell, name: str) -> str:
    """A cost of `COSTS`, as text."""
    value = cell.cost(name)
    return MISSING if value is None else COSTS[name][1](value)

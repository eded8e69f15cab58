"""The table behind a recommendation."""

from research.reporting.advice.candidates import Candidate
from research.reporting.advice.constraints import ALL_COSTS
from research.reporting.advice.recommend import Advice
from research.reporting.format import MISSING, amount, percent
from research.reporting.grid.cell import ResultCell
from research.reporting.table import Table, TableCell
from research.stats.power import MOST_SEEDS, MOST_TIMES

# Of these the ones by which the approaches are compared.
COST_COLUMNS = ("model_bytes", "milliseconds", "stored_bytes", "added_tokens", "train_seconds")
HEADS = (
    ("score", "on test"),
    ("against the", "recommended"),
    ("", "verdict"),
    ("seeds", "needed"),
    ("items", "needed"),
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
# With several backbones.
OF_BACKBONES = (
    "Model bytes: all parameters at inference, in float32. Milliseconds per answer: time to score "
    "test, in batches and without compilation, by the number of test items."
)


def advice_table(advice: Advice) -> Table:
    """One row per approach, in the order of `Advice.candidates`."""
    rows = tuple((c.cell.key[0], _entries(advice, c)) for c in advice.candidates)
    best = [c.cell for c in advice.candidates if c.similar or c.cell is advice.recommended]
    ids = "; ".join(f"{cell.key[0]}: {' '.join(r.run_id for r in cell.runs)}" for cell in best)
    return Table(
        title=f"{advice.column[0]}, {amount(advice.column[1])}: the evidence",
        heads=(*HEADS, *(_head(name) for name in _cost_columns(advice))),
        scores=2,
        rows=rows,
        baselines=(),
        notes=(f"Runs of {ids}.",) if ids else (),
    )


def _cost_columns(advice: Advice) -> list[str]:
    return [name for name in COST_COLUMNS if name in advice.costs]


def _head(cost: str) -> tuple[str, str]:
    """The head of a cost's column: its first word, and the others."""
    first, _, others = ALL_COSTS[cost][0].partition(" ")
    return first, others


def _entries(advice: Advice, candidate: Candidate) -> tuple[TableCell, ...]:
    cell = candidate.cell
    best = candidate.similar or cell is advice.recommended
    texts = (format_difference(candidate), _verdict(advice, candidate), *_needed(candidate))
    costs = (format_cost(cell, name) for name in _cost_columns(advice))
    score = TableCell(percent(cell.score()), best)
    return (score, *map(TableCell, (*texts, *costs)))


def format_difference(candidate: Candidate) -> str:
    """Difference from the recommended approach, with its interval."""
    return MISSING if candidate.gap is None else candidate.gap.text()


def _verdict(advice: Advice, candidate: Candidate) -> str:
    if candidate.cell is advice.recommended:
        return "recommended"
    if candidate.violated:
        return "violates " + ", ".join(bound.name for bound in candidate.violated)
    if advice.recommended is None:
        return MISSING
    if candidate.similar:
        return "not different"
    return "better" if candidate.gap and candidate.gap.mean > 0 else "worse"


def _needed(candidate: Candidate) -> tuple[str, str]:
    """Numbers of seeds and of items that would show the difference."""
    if not candidate.similar or candidate.gap is None or abs(candidate.gap.mean) < 1e-9:
        return MISSING, MISSING
    items = candidate.cell.score().items
    seeds = str(candidate.seeds or f">{MOST_SEEDS}")
    return seeds, f"{candidate.items:,}" if candidate.items else f">{MOST_TIMES * items:,}"


def format_cost(cell: ResultCell, name: str) -> str:
    """A cost of `ALL_COSTS`, as text."""
    value = cell.cost(name)
    return MISSING if value is None else ALL_COSTS[name][1](value)

"""What a reader of the table must know: how the numbers came about, and what went wrong."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import ENOUGH, Grid, ResultCell
from research.reporting.grid.provenance import machine
from research.tasks.metrics.classification import LOWEST

PROVISIONAL, ONE_SEED, SEEN = "†", "‡", "§"
# Headlines that are written otherwise than they are named.
NAMES = {
    "macro_f1": "macro F1",
    "matthews": "Matthews' correlation",
    "exact_match": "exact match",
    "bleu": "BLEU",
    "chrf": "chrF",
    "rouge_l": "ROUGE-L",
    "f1": "F1 of words",
    "referent": "right referents",
    "pearson": "Pearson's correlation",
    "spearman": "Spearman's correlation",
    "sql_execution": "SQL by execution",
    "sql_match": "SQL by match",
    "format": "share in the format",
}


def footnotes(grid: Grid) -> list[str]:
    """Sentences below the table, the weightiest first; those without a cause are left out."""
    notes = [
        _scores(grid),
        _marks(grid),
        _test_accesses(grid),
        _best(grid),
        _trials(grid),
        _counted(grid, "Diverged runs, of all of a cell's runs: ", _diverged),
        _counted(grid, "Tested runs no better on dev than without training: ", _unlearned),
        _counted(grid, "Texts cut to fit the context: ", _cut),
        _unfinished(grid),
        _costs(grid),
        _mixed(grid),
    ]
    return [note for note in notes if note]


def _scores(grid: Grid) -> str:
    names = defaultdict(list)
    for cell in grid.tested():
        names[NAMES.get(cell.headline, cell.headline)].append(cell.key[1])
    metrics = " and ".join(
        name if len(names) == 1 else f"{name} ({', '.join(distinct(tasks))})"
        for name, tasks in names.items()
    )
    correlations = any(cell.headline in LOWEST for cell in grid.tested())
    beyond = "; correlations are from -100 to 100" if correlations else ""
    return (
        f"Scores: {metrics or 'none yet'} on test in percent; mean over seeds and, in brackets, "
        f"the 95 % interval over seeds and test items{beyond}."
    )


def _marks(grid: Grid) -> str:
    cells = grid.tested()
    provisional = any(cell.provisional for cell in cells)
    alone = any(len(cell.runs) == 1 for cell in cells)
    one = f"{PROVISIONAL} provisional: fewer than {ENOUGH} seeds, or fewer than the protocol has."
    two = f"{ONE_SEED} one seed: the interval covers the test items only."
    return " ".join(note for note, holds in ((one, provisional), (two, alone)) if holds)


def _test_accesses(grid: Grid) -> str:
    """Which cells have met test with more than one choice, and how many times."""
    seen = [(_where(cell), *grid.seen.get(cell.key, (1, 1))) for cell in grid.tested()]
    again = [f"{where} {choices} times" for where, choices, _ in seen if choices > 1]
    newer = [f"{where} by {versions}" for where, _, versions in seen if versions > 1]
    marked = (
        f"{SEEN} test seen more than once, with another trial or other settings: "
        f"{'; '.join(again)}. What is shown may be the better of these looks."
    )
    counted = f"Test seen by several versions of the code: {'; '.join(newer)}."
    return " ".join(note for note, found in ((marked, again), (counted, newer)) if found)


def _best(grid: Grid) -> str:
    if not grid.best:
        return ""
    return (
        "Bold: the group that cannot be told apart from the best of its column (paired t tests "
        "over seeds and items, corrected for all pairs and columns, 5 % for the whole table), some "
        "for no other reason than that their seeds differ much; cells with fewer seeds than the "
        "protocol has take no part."
    )


def _trials(grid: Grid) -> str:
    """The budget of each row: how many trials dev decided between."""
    rows = defaultdict(list)
    for row in grid.rows:
        counts = {cell.trials for key, cell in grid.cells.items() if key[0] == row}
        rows["–".join(map(str, sorted({min(counts), max(counts)})))].append(row)
    if len(rows) == 1:
        budget = f"{next(iter(rows))} for every row"
    else:
        budget = "; ".join(f"{count} for {', '.join(names)}" for count, names in rows.items())
    return f"Trials: {budget}. The trial with the best mean dev score of a cell was tested, once."


def _counted(grid: Grid, title: str, count: Callable[[ResultCell], str]) -> str:
    found = [f"{_where(cell)} {text}" for cell in _all(grid) if (text := count(cell))]
    return title + "; ".join(found) + "." if found else ""


def _diverged(cell: ResultCell) -> str:
    return f"{cell.diverged} of {cell.ran}" if cell.diverged else ""


def _unlearned(cell: ResultCell) -> str:
    count = len(cell.known(lambda run: run.notes.not_learned))
    return f"{count} of {len(cell.runs)}" if count else ""


def _cut(cell: ResultCell) -> str:
    most = max((run.notes.cut for run in cell.runs), default=0)
    return f"{most}" if most else ""


def _unfinished(grid: Grid) -> str:
    found = [_where(cell) for cell in _all(grid) if not cell.runs]
    return f"Unfinished: {'; '.join(found)}." if found else ""


def _costs(grid: Grid) -> str:
    return (
        "Costs: medians over the runs; a range where the cells of a row differ, for seconds their "
        "median. Seconds to train leave compilation out. Tokens are added to each input."
    )


def _mixed(grid: Grid) -> str:
    """Names the libraries and machines that differ between the tested runs."""
    runs = [run for cell in grid.tested() for run in cell.runs]
    differing = []
    for name in sorted({name for run in runs for name in run.provenance.libraries}):
        versions = _known(run.provenance.libraries.get(name) for run in runs)
        if len(versions) > 1:
            differing.append(f"{name} {', '.join(versions)}")
    machines = len(set(map(machine, runs)))
    if machines > 1:
        differing.append(f"{machines} kinds of machine, so seconds do not compare")
    return f"The runs differ in: {'; '.join(differing)}." if differing else ""


def _known(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value is not None})


def _all(grid: Grid) -> list[ResultCell]:
    keys = [(row, *column) for row in grid.rows for column in grid.columns]
    return [grid.cells[key] for key in keys if key in grid.cells]


def _where(cell: ResultCell) -> str:
    return ", ".join(cell.key)

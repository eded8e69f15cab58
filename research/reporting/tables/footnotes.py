"""Footnotes of the score table: how the numbers were produced, and which runs have problems."""

from collections import defaultdict
from collections.abc import Iterable

from research.reporting.format import RANGE, spread
from research.reporting.grid.cell import ENOUGH_SEEDS, ResultCell
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid
from research.reporting.grid.provenance import machine_text
from research.reporting.metric_names import NAMES, OF_WORDS
from research.reporting.tables.format_share import constrained_rows
from research.reporting.tables.problems import no_answer_note, not_finite_note, problems, where
from research.tasks.metrics.classification import LOWEST

PROVISIONAL, ONE_SEED, TESTED_AGAIN = "†", "‡", "§"
COSTS = (
    "Costs: medians over runs; a range where the cells of a row differ, and for seconds the "
    "median. Training seconds exclude compilation. Added tokens are per input."
)


def footnotes(grid: Grid) -> list[str]:
    """Sentences below the table, the most important first; empty ones are left out."""
    notes = [
        _scores(grid),
        _marks(grid),
        constrained_rows(grid),
        _test_accesses(grid),
        not_finite_note(grid),
        no_answer_note(grid),
        _best(grid),
        _trials(grid),
        _chats(grid),
        *problems(grid),
        COSTS,
        _mixed(grid),
    ]
    return [note for note in notes if note]


def _scores(grid: Grid) -> str:
    tasks_of = defaultdict(list)
    for cell in grid.tested():
        tasks_of[NAMES.get(cell.headline, cell.headline)].append(cell.key[1])
    metrics = " and ".join(
        name if len(tasks_of) == 1 else f"{name} ({', '.join(distinct(tasks))})"
        for name, tasks in tasks_of.items()
    )
    correlations = any(cell.headline in LOWEST for cell in grid.tested())
    explained = "; correlations range from -100 to 100" if correlations else ""
    if any(_counts_unicode_words(cell) for cell in grid.tested()):
        explained += (
            "; words of other scripts than Latin are those of Unicode's segmentation, and single "
            "characters where a script has no spaces"
        )
    return (
        f"Scores: {metrics or 'none yet'} on test in percent, mean over seeds with the 95 % "
        f"interval over seeds and test items in brackets{explained}."
    )


def _counts_unicode_words(cell: ResultCell) -> bool:
    """Whether the headline metric counts words, and texts are not Latin."""
    unicode = any(run.notes.metric_words == "unicode" for run in cell.runs)
    return unicode and cell.headline in OF_WORDS


def _marks(grid: Grid) -> str:
    cells = grid.tested()
    provisional = any(cell.provisional for cell in cells)
    any_single = any(len(cell.runs) == 1 for cell in cells)
    few = f"{PROVISIONAL} Provisional: fewer than {ENOUGH_SEEDS} seeds, or fewer than planned."
    single = f"{ONE_SEED} One seed: the interval covers the test items only."
    return " ".join(note for note, holds in ((few, provisional), (single, any_single)) if holds)


def _test_accesses(grid: Grid) -> str:
    """The cells of which several choices, or versions of the code, were evaluated on test."""
    accesses = [(where(cell), *grid.test_accesses.get(cell.key, (1, 1))) for cell in grid.tested()]
    several = [f"{where} {choices} times" for where, choices, _ in accesses if choices > 1]
    by_versions = [f"{where} by {versions}" for where, _, versions in accesses if versions > 1]
    marked = (
        f"{TESTED_AGAIN} Evaluated on test more than once, with different trials or settings: "
        f"{'; '.join(several)}. The score shown may be the better of several."
    )
    counted = f"Evaluated on test by several versions of the code: {'; '.join(by_versions)}."
    return " ".join(note for note, cells in ((marked, several), (counted, by_versions)) if cells)


def _best(grid: Grid) -> str:
    if not grid.best:
        return ""
    return (
        "Bold: not significantly different from the best of the column (paired t tests over seeds "
        "and items, corrected for all pairs and columns, 5 % for the whole table). A cell can be "
        "bold merely because its variance over seeds is high. Cells with fewer seeds than planned "
        "are not compared."
    )


def _trials(grid: Grid) -> str:
    """The budget of each row: the number of trials compared on dev."""
    rows_of = defaultdict(list)
    for row in grid.rows:
        counts = {cell.trials for key, cell in grid.cells.items() if key[0] == row}
        rows_of[RANGE.join(map(str, spread(list(counts))))].append(row)
    if len(rows_of) == 1:
        budget = f"{next(iter(rows_of))} for every row"
    else:
        budget = "; ".join(f"{count} for {', '.join(names)}" for count, names in rows_of.items())
    return (
        f"Trials: {budget}. In each cell, only the trial with the best mean dev score was tested."
    )


def _chats(grid: Grid) -> str:
    """The rows whose prompts are chats, or the cells where not all of a row's are."""
    cells = [cell for cell in grid.tested() if _is_chat(cell)]
    if not cells:
        return ""
    names = []
    for row in distinct([cell.key[0] for cell in cells]):
        chats = [cell for cell in cells if cell.key[0] == row]
        whole = len(chats) == len([cell for cell in grid.tested() if cell.key[0] == row])
        names += [row] if whole else map(where, chats)
    return f"Chat prompts, by the chat template of the tokenizer: {'; '.join(names)}."


def _is_chat(cell: ResultCell) -> bool:
    return any(run.configuration.approach.get("chat") is True for run in cell.runs)


def _mixed(grid: Grid) -> str:
    """Libraries and machines that differ between the tested runs."""
    runs = [run for cell in grid.tested() for run in cell.runs]
    differing = []
    for name in sorted({name for run in runs for name in run.provenance.libraries}):
        versions = _versions(run.provenance.libraries.get(name) for run in runs)
        if len(versions) > 1:
            differing.append(f"{name} {', '.join(versions)}")
    machines = len(set(map(machine_text, runs)))
    if machines > 1:
        differing.append(f"{machines} kinds of machine, so times are not comparable")
    return f"Runs differ in: {'; '.join(differing)}." if differing else ""


def _versions(values: Iterable[str | None]) -> list[str]:
    return sorted({value for value in values if value is not None})

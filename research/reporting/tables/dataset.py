"""The data report as a table, data.md, and its warnings below the score table.

It is built from data.json, which a sweep writes before training.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from research.records.data_report import FILE, read_data_report
from research.reporting.format import MISSING
from research.reporting.grid.grid import Grid
from research.reporting.table import Table, TableCell
from research.tasks.data_checks import Found, Part, TaskDataReport, warnings

NOTES = (
    "Rows are numbered from 1 in each split; only the first rows are listed. Case and white space "
    "are ignored; for words, 8-grams and similarity, punctuation too.",
    "Repeated: the text occurs in an earlier row of the split. Other label: the same words occur "
    "in a row of any split with another label. Nearly: different texts of which 80 % of the "
    "5-character shingles at the beginning are shared (Jaccard, as Lee et al. 2022 for 5-word "
    "shingles of whole texts).",
    "In train: test rows whose text is in train or dev; sampling leaves it out there. 8-grams: "
    "rows that share an 8-gram with train or dev; mostly: at least 70 % of their 8-grams "
    "(Chowdhery et al. 2022).",
    "Personal data are detected by form: e-mail addresses, phone numbers with a country code or in "
    "groups 3-3-4, card numbers of 13 to 19 digits with a valid check digit (Luhn). False "
    "positives are possible; names and postal addresses are not detected.",
    "Tokens: prompts with the first template, without demonstrations. Too long: longer than fits "
    "in the context beside the label.",
)


def stored_data_report(folder: Path, grid: Grid) -> tuple[TaskDataReport, ...]:
    """The reports in the folder's data.json about the data of its runs; none without the file.

    Raises InputError for a damaged file.
    """
    surveys = read_data_report(folder)
    if surveys is None:
        return ()
    met = {run.data.task_checksum for cell in grid.cells.values() for run in cell.runs}
    return tuple(one for one in surveys.tasks if one.checksum in met)


def data_warnings(surveys: Sequence[TaskDataReport]) -> list[str]:
    """A footnote for each task with warnings."""
    told = [(one.task, "; ".join(warnings(one))) for one in surveys]
    return [f"Data of {task}, see {FILE}: {text}." for task, text in told if text]


def dataset_tables(surveys: Sequence[TaskDataReport], name: str) -> Table:
    """A table with a row for each split of each task."""
    rows = [
        (f"{one.task}, {split}", tuple(TableCell(text(part)) for _, _, text in COLUMNS))
        for one in surveys
        for split, part in one.parts.items()
    ]
    return Table(
        title=f"{name}: data",
        heads=tuple((head, unit) for head, unit, _ in COLUMNS),
        scores=0,
        rows=tuple(rows),
        baselines=(),
        notes=(*NOTES, *data_warnings(surveys), *_rows(surveys)),
    )


def _rows(surveys: Sequence[TaskDataReport]) -> list[str]:
    """The numbers of the rows that warnings count."""
    found = []
    for one in surveys:
        for split, part in one.parts.items():
            named = {**_named(part), **part.personal}
            told = [f"{what} {_numbers(of)}" for what, of in named.items() if of.count]
            if told:
                found.append(f"Rows of {one.task}, {split}: {'; '.join(told)}.")
    return found


def _named(part: Part) -> dict[str, Found]:
    return {
        "in train": part.shared,
        "mostly": part.mostly,
        "repeated": part.repeated,
        "other label": part.conflicting,
        "nearly": part.nearly,
        "too long": part.lengths.over if part.lengths else Found(),
    }


def _numbers(found: Found) -> str:
    rest = found.count - len(found.rows)
    return ", ".join(map(str, found.rows)) + (f" and {rest} more" if rest else "")


def _labels(part: Part) -> str:
    if not part.labels:
        return MISSING
    shares = [100 * count / part.rows for count in part.labels.values()]
    return f"{min(shares):.1f}–{max(shares):.1f}"


def _tokens(part: Part) -> str:
    if part.lengths is None:
        return MISSING
    one = part.lengths
    return f"{one.median:.0f}, {one.high:.0f}, {one.longest} of {one.most}"


COLUMNS: tuple[tuple[str, str, Callable[[Part], str]], ...] = (
    ("", "rows", lambda part: f"{part.rows:,}"),
    ("rows of a label", "percent", _labels),
    ("tokens", "median, 95 %, most", _tokens),
    ("too", "long", lambda part: MISSING if not part.lengths else f"{part.lengths.over.count:,}"),
    ("", "repeated", lambda part: f"{part.repeated.count:,}"),
    ("other", "label", lambda part: f"{part.conflicting.count:,}"),
    ("other", "nearly", lambda part: f"{part.nearly.count:,}"),
    ("in", "train", lambda part: f"{part.shared.count:,}"),
    ("8-grams", "any", lambda part: f"{part.grams.count:,}"),
    ("8-grams", "mostly", lambda part: f"{part.mostly.count:,}"),
    ("personal", "data", lambda part: f"{sum(one.count for one in part.personal.values()):,}"),
)

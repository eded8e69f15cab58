"""The data report as a table, data.md, and its warnings below the score table.

It is built from data.json, which a sweep writes before training.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from research.records.data_report import FILE, read_data_report
from research.reporting.format import MISSING
from research.reporting.grid.grid import Grid
from research.reporting.table import Table, TableCell
from research.tasks.data_checks import FlaggedRows, SplitReport, TaskDataReport, warnings

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
    """The reports in the folder's data.json on the data of its runs; none without the file.

    Raises InputError for a damaged file.
    """
    report = read_data_report(folder)
    if report is None:
        return ()
    checksums = {run.data.task_checksum for cell in grid.cells.values() for run in cell.runs}
    return tuple(task for task in report.tasks if task.checksum in checksums)


def data_warnings(reports: Sequence[TaskDataReport]) -> list[str]:
    """A footnote for each task with warnings."""
    texts = [(report.task, "; ".join(warnings(report))) for report in reports]
    return [f"Data of {task}, see {FILE}: {text}." for task, text in texts if text]


def dataset_table(reports: Sequence[TaskDataReport], name: str) -> Table:
    """A table with a row for each split of each task."""
    rows = [
        (f"{report.task}, {split}", tuple(TableCell(text(part)) for _, _, text in COLUMNS))
        for report in reports
        for split, part in report.parts.items()
    ]
    return Table(
        title=f"{name}: data",
        heads=tuple((head, unit) for head, unit, _ in COLUMNS),
        scores=0,
        rows=tuple(rows),
        baselines=(),
        notes=(*NOTES, *data_warnings(reports), *_row_numbers(reports)),
    )


def _row_numbers(reports: Sequence[TaskDataReport]) -> list[str]:
    """The numbers of the rows that warnings count, by task and split."""
    notes = []
    for report in reports:
        for split, part in report.parts.items():
            checks = {**_checks(part), **part.personal}
            texts = [f"{name} {_numbers(rows)}" for name, rows in checks.items() if rows.count]
            if texts:
                notes.append(f"Rows of {report.task}, {split}: {'; '.join(texts)}.")
    return notes


def _checks(part: SplitReport) -> dict[str, FlaggedRows]:
    return {
        "in train": part.shared,
        "mostly": part.mostly,
        "repeated": part.repeated,
        "other label": part.conflicting,
        "nearly": part.nearly,
        "too long": part.lengths.over if part.lengths else FlaggedRows(),
    }


def _numbers(rows: FlaggedRows) -> str:
    rest = rows.count - len(rows.rows)
    return ", ".join(map(str, rows.rows)) + (f" and {rest} more" if rest else "")


def _labels(part: SplitReport) -> str:
    if not part.labels:
        return MISSING
    shares = [100 * count / part.rows for count in part.labels.values()]
    return f"{min(shares):.1f}–{max(shares):.1f}"


def _tokens(part: SplitReport) -> str:
    if part.lengths is None:
        return MISSING
    lengths = part.lengths
    return f"{lengths.median:.0f}, {lengths.high:.0f}, {lengths.longest} of {lengths.most}"


COLUMNS: tuple[tuple[str, str, Callable[[SplitReport], str]], ...] = (
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
    ("personal", "data", lambda part: f"{sum(rows.count for rows in part.personal.values()):,}"),
)

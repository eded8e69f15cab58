"""The list of tasks that `scripts/tasks.py` prints."""

from collections.abc import Iterator, Sequence

from research.common.errors import InputError, choose_from
from research.tasks.lm_eval.catalog.index import TaskEntry, TaskIndex

HEADER = ("task", "type", "train", "dev", "test", "choices", "refused")


def chosen_entries(index: TaskIndex, word: str | None) -> list[TaskEntry]:
    """The tasks of a group or tag of this name, or else those whose name contains the word.

    Raises InputError where there are none. None chooses all.
    """
    if word is None:
        return list(index.tasks.values())
    if word in index.groups:
        return [index.tasks[name] for name in index.members(word)]
    entries = [entry for name, entry in index.tasks.items() if word.lower() in name.lower()]
    if not entries:
        allowed = f"no task has it in its name; {choose_from(index.names, word)}"
        raise InputError("word", word, allowed)
    return entries


def listing(entries: Sequence[TaskEntry]) -> Iterator[str]:
    """One line per task, and one with the counts."""
    rows = [HEADER, *map(_row, entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()
    refused = sum(bool(entry.refusals) for entry in entries)
    errors = sum(bool(entry.error) for entry in entries)
    read = len(entries) - refused - errors
    yield f"{len(entries):,} tasks: {read:,} read, {refused:,} refused, {errors:,} with errors"


def _row(entry: TaskEntry) -> tuple[str, ...]:
    count = "own" if entry.output_type == "multiple_choice" else ""
    return (
        entry.name,
        entry.output_type,
        *(split or "" for split in entry.splits),
        count if entry.choices is None else str(entry.choices),
        entry.error or "; ".join(entry.refusals),
    )

"""Robustness tables: costs and robustness of each approach, by task and regime.

A column appears where a run has a value for it.
"""

from collections.abc import Sequence

from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.grid.measures import (
    flops,
    forgetting,
    out_of_domain,
    paraphrases_agree,
    peak_memory,
    seeds_agree,
    switching,
    train_dev_gap,
    without_answer,
    worst_group,
)
from research.reporting.table import Table, add_notes
from research.reporting.tables.column import Column, column_table


def robustness_tables(grid: Grid) -> list[Table]:
    """A table for each task and regime with tested runs. The definitions are notes of the last."""
    tables = [_table(grid, column, cells) for column, cells in grid.by_column().items()]
    measured = [column for column in COLUMNS if any(map(column.text, grid.tested()))]
    return add_notes(tables, [column.note for column in measured if column.note])


def _table(grid: Grid, where: tuple[str, str], cells: Sequence[ResultCell]) -> Table:
    measured = [column for column in COLUMNS if any(map(column.text, cells))]
    notes = (*_language_model(cells), *_truncated(cells))
    return column_table(grid, where, "robustness and costs", measured, notes)


COLUMNS = (
    Column(
        "without",
        "an answer",
        without_answer,
        "Without an answer: share of the outputs on test in which no answer is found, in percent; "
        "they count as wrong.",
    ),
    Column(
        "out of",
        "domain",
        out_of_domain,
        "Out of domain: score on the test split of another domain in percent, and its difference "
        "from the test score in points.",
    ),
    Column(
        "worst",
        "group",
        worst_group,
        "Worst group: lowest accuracy in percent among groups of 10 or more test items, by label, "
        "by length (thirds of the test items) and by the task's groups; mean over seeds. The worst "
        "of many small groups is low by chance alone.",
    ),
    Column(
        "train-dev",
        "gap",
        train_dev_gap,
        "Train-dev gap: score on as many training as dev examples minus the dev score, in points.",
    ),
    Column(
        "agreement",
        "of seeds",
        seeds_agree,
        "Agreement of seeds: share of test items with the same prediction, over all pairs of "
        "seeds, in percent.",
    ),
    Column(
        "agreement",
        "of paraphrases",
        paraphrases_agree,
        "Agreement of paraphrases: share of test items with the same prediction when paraphrased.",
    ),
    Column(
        "held-out",
        "loss",
        forgetting,
        "Held-out loss: increase, in nats per token, of the loss on held-out text like the "
        "backbone's pretraining data, with the adapter active. (permanent): the backbone itself "
        "was changed; otherwise removing the adapter restores the loss.",
    ),
    Column(
        "switching",
        "milliseconds",
        switching,
        "Switching: time to move the task's stored parameters from host memory to the devices.",
    ),
    Column(
        "peak",
        "memory",
        peak_memory,
        "Peak memory: of the compiled training step of one run, including the backbone. FLOPs: of "
        "all training steps, as if every batch were as wide as the widest.",
    ),
    Column("training", "FLOPs", flops),
)


def _language_model(cells: Sequence[ResultCell]) -> list[str]:
    """How well the backbone predicts the task's text, or why this is undefined."""
    measured = [loss for cell in cells for loss in cell.known(lambda run: run.forgetting)]
    notes = [
        f"Domain of the text: the loss of the unadapted backbone is {loss.task:.2f} nats per "
        f"token on the task's inputs, and {loss.as_long:.2f} on held-out text like its pretraining "
        "data, in passages of the same length."
        for loss in measured
        if loss.task is not None
    ]
    notes += [f"No held-out loss: {loss.undefined}." for loss in measured if loss.undefined]
    return notes[:1]


def _truncated(cells: Sequence[ResultCell]) -> list[str]:
    """How many texts of further test splits were truncated, by row."""
    counts = {
        cell.key[0]: max(sum(run.notes.cut_beside_test.values()) for run in cell.runs)
        for cell in cells
    }
    texts = "; ".join(f"{row} {count}" for row, count in counts.items() if count)
    return [f"Out-of-domain texts or paraphrases truncated to fit: {texts}."] if texts else []

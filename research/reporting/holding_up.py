"""What each approach costs beside its score, and how it holds up: a table per task and regime.

A column appears where a run has something to say on it, so older runs have fewer.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from research.evaluation.groups import Share, seed_agreement, shares, worst
from research.reporting.cells import Cell, Grid
from research.reporting.layout import MISSING, Entry, Layout, amount, count, size
from research.sweeps.record import Record


@dataclass(frozen=True)
class Column:
    """head, unit: of the column. text: what stands in a cell's line, None if nothing is known.
    note: what a reader must know of it.
    """

    head: str
    unit: str
    text: Callable[[Cell], str | None]
    note: str = ""


def lay_out_holding_up(grid: Grid) -> list[Layout]:
    """A table for each task and regime with tested runs; what the columns mean is told once, at
    the end of the last.
    """
    shown = [column for column in grid.columns if any(grid.cell(row, column) for row in grid.rows)]
    layouts = [_table(grid, *column) for column in shown]
    told = [column for column in COLUMNS if any(map(column.text, grid.tested()))]
    notes = tuple(column.note for column in told if column.note)
    last = [replace(layout, notes=(*layout.notes, *notes)) for layout in layouts[-1:]]
    return [*layouts[:-1], *last]


def _table(grid: Grid, task: str, regime: str) -> Layout:
    found = {row: grid.cell(row, (task, regime)) for row in grid.rows}
    cells = {row: cell for row, cell in found.items() if cell is not None}
    texts = [[column.text(cell) for cell in cells.values()] for column in COLUMNS]
    kept = [place for place, column in enumerate(texts) if any(column)]
    rows = [
        (row, tuple(Entry(texts[column][place] or MISSING) for column in kept))
        for place, row in enumerate(cells)
    ]
    return Layout(
        title=f"{task}, {amount(regime)}: what each costs and how it holds up",
        heads=tuple((COLUMNS[column].head, COLUMNS[column].unit) for column in kept),
        scores=0,
        rows=tuple(row for row in rows if row[0] not in grid.baselines),
        baselines=tuple(row for row in rows if row[0] in grid.baselines),
        notes=tuple(_plain_text(cells.values())),
    )


def _mean(cell: Cell, value: Callable[[Record], float | None]) -> float | None:
    """The mean over the runs, None if one of them has none."""
    values = [value(run) for run in cell.runs]
    return None if None in values else statistics.fmean(values)  # pyright: ignore


def _metric(split: str, cell: Cell) -> float | None:
    return _mean(cell, lambda run: (run["metrics"].get(split) or {}).get(cell.headline))


def _out_of_domain(cell: Cell) -> str | None:
    inside, outside = _metric("test", cell), _metric("ood", cell)
    if inside is None or outside is None:
        return None
    return f"{100 * outside:.1f} ({100 * (outside - inside):+.1f})"


def _worst_group(cell: Cell) -> str | None:
    """The lowest mean over the seeds among the groups of all kinds."""
    lowest = {}
    for kind, groups in _groups(cell).items():
        name = worst(groups)
        if name is not None:
            lowest[f"{kind} {name}"] = groups[name].score
    if not lowest:
        return None
    name = min(lowest, key=lowest.__getitem__)
    return f"{100 * lowest[name]:.1f} ({name})"


def _groups(cell: Cell) -> dict[str, dict[str, Share]]:
    """The groups of each kind, their scores averaged over the seeds; runs of older code have but
    the labels, which stand in their predictions.
    """
    stored = [(run.get("robustness") or {}).get("groups") for run in cell.runs]
    if not all(stored):
        labels, gold = cell.runs[0]["labels"], cell.predictions[0].gold
        right = np.stack([one.predicted == one.gold for one in cell.predictions])
        return {"label": shares(right, [labels[place] for place in gold])}
    found: dict[str, dict[str, Share]] = defaultdict(dict)
    for kind, groups in stored[0].items():  # pyright: ignore
        for name, share in groups.items():
            scores = [groups[kind][name]["score"] for groups in stored]  # pyright: ignore
            found[kind][name] = Share(statistics.fmean(scores), share["count"])
    return found


def _gap(cell: Cell) -> str | None:
    train, dev = _metric("train", cell), _metric("dev", cell)
    return None if train is None or dev is None else f"{100 * (train - dev):+.1f}"


def _seeds_agree(cell: Cell) -> str | None:
    share = seed_agreement([one.predicted for one in cell.predictions])
    return None if share is None else f"{100 * share:.1f}"


def _words_agree(cell: Cell) -> str | None:
    share = _mean(cell, lambda run: (run.get("robustness") or {}).get("paraphrases"))
    return None if share is None else f"{100 * share:.1f}"


def _forgotten(cell: Cell) -> str | None:
    """How much the loss on held-out text has risen."""
    found = [run.get("language_model") or {} for run in cell.runs]
    if not all(one.get("after") is not None and one.get("before") is not None for one in found):
        return None
    rise = statistics.fmean(one["after"] - one["before"] for one in found)
    stays = "" if all(one["removable"] for one in found) else " (stays)"
    return f"{rise:+.2f}{stays}"


def _milliseconds(cell: Cell) -> str | None:
    seconds = cell.cost("switch_seconds")
    if seconds is None:
        return None
    return f"{1000 * seconds:.2f}" if seconds < 0.01 else f"{1000 * seconds:.0f}"


def _peak(cell: Cell) -> str | None:
    bytes_ = cell.cost("peak_bytes")
    return None if bytes_ is None else size(bytes_)


def _flops(cell: Cell) -> str | None:
    flops = cell.cost("train_flops")
    return None if flops is None else count(flops)


COLUMNS = (
    Column(
        "out of",
        "domain",
        _out_of_domain,
        "Out of domain: the score on the test split of another domain, and its difference from "
        "that on test, in percent and points.",
    ),
    Column(
        "worst",
        "group",
        _worst_group,
        "Worst group: the lowest share of right answers in percent, by label, by length (thirds of "
        "the test items) and by the task's groups, among groups of 10 items or more; means over "
        "the seeds. The worst of many small groups is low by chance alone.",
    ),
    Column(
        "train-dev",
        "gap",
        _gap,
        "Train-dev gap: the score on as many training as dev examples less that on dev, in points.",
    ),
    Column(
        "seeds",
        "agree",
        _seeds_agree,
        "Seeds agree: the share of test items with the same prediction, over all pairs of seeds, "
        "in percent.",
    ),
    Column(
        "other words",
        "agree",
        _words_agree,
        "Other words agree: the share of test items with the same prediction when paraphrased.",
    ),
    Column(
        "held-out",
        "loss",
        _forgotten,
        "Held-out loss: by how many nats a token the loss on held-out text of the backbone's own "
        "kind has risen, with all that the approach adds at work; (stays): the backbone itself is "
        "changed, otherwise the loss returns to what it was when the adapter is taken away.",
    ),
    Column(
        "switching",
        "milliseconds",
        _milliseconds,
        "Switching: from what the task stores in the host's memory to all of it on the devices.",
    ),
    Column(
        "peak",
        "memory",
        _peak,
        "Peak memory: what the compiled step of one training run needs at once, the backbone with "
        "it. FLOPs: of all training steps, as if every batch were as wide as the widest.",
    ),
    Column("training", "FLOPs", _flops),
)


def _plain_text(cells: Iterable[Cell]) -> list[str]:
    """Whether the task's text is foreign to the backbone, or why this cannot be said."""
    found = [run.get("language_model") for cell in cells for run in cell.runs]
    known = [one for one in found if one and one.get("task") is not None]
    if known:
        one = known[0]
        return [
            f"Is the text foreign? The loss of the frozen backbone is {one['task']:.2f} nats a "
            f"token on the task's texts and {one['as_long']:.2f} on held-out text of its own kind, "
            "in passages as long."
        ]
    return [f"No held-out loss: {one['undefined']}." for one in found if one][:1]

"""The cost ledger: what each approach takes to train, to keep and to answer with.

A table per task and regime, from records alone; `—` where older code did not write something that
does not follow from the rest either.
"""

import statistics
from collections.abc import Callable, Sequence
from functools import partial

from research.experiments.prices import Prices
from research.records.schema import RunRecord
from research.reporting.format import MISSING, amount, byte_size, count
from research.reporting.format import seconds as time
from research.reporting.grid.grid import Grid, ResultCell
from research.reporting.grid.measures import switching
from research.reporting.table import Table, TableCell
from research.reporting.tables.robustness import Column

# Attention scores, which the formula leaves out, are as many operations as all kernels only in rows
# six times as long as the model is wide; what differs by more than twice is counted otherwise.
FAR = 2.0
HOUR = 3600


def cost_tables(grid: Grid, prices: Prices) -> list[Table]:
    """Two tables for each task and regime with tested runs: what is kept and what a request takes,
    and what training takes. The notes of either stand below its last.
    """
    parts = (
        ("what is kept and what a request takes", KEPT, []),
        ("what training takes", (*TRAINING, *_money(prices)), _far(grid)),
    )
    shown = [where for where in grid.columns if any(grid.cell(row, where) for row in grid.rows)]
    return [
        _table(grid, where, what, columns, others if where == shown[-1] else None)
        for where in shown
        for what, columns, others in parts
    ]


def _table(
    grid: Grid,
    where: tuple[str, str],
    what: str,
    columns: Sequence[Column],
    others: Sequence[str] | None,
) -> Table:
    """others: notes besides those of the columns; None for a table without notes."""
    cells = {row: cell for row in grid.rows if (cell := grid.cell(row, where)) is not None}
    lines = {
        row: tuple(TableCell(column.text(cell) or MISSING) for column in columns)
        for row, cell in cells.items()
    }
    told = [column.note for column in columns if column.note]
    return Table(
        title=f"{where[0]}, {amount(where[1])}: {what}",
        heads=tuple((column.head, column.unit) for column in columns),
        scores=0,
        rows=tuple(line for line in lines.items() if line[0] not in grid.baselines),
        baselines=tuple(line for line in lines.items() if line[0] in grid.baselines),
        notes=() if others is None else (*told, *others),
    )


def _median(cell: ResultCell, value: Callable[[RunRecord], float | None]) -> float | None:
    """The median over the tested runs, None if one of them has none."""
    values = [value(run) for run in cell.runs]
    return None if None in values else statistics.median(values)  # pyright: ignore


def _cost(name: str) -> Callable[[RunRecord], float | None]:
    return lambda run: getattr(run.costs, name)


def _text(
    value: Callable[[RunRecord], float | None], text: Callable[[float], str], cell: ResultCell
):
    found = _median(cell, value)
    return None if found is None else text(found)


def _memory(part: str, run: RunRecord) -> float | None:
    """A part of the memory of the compiled step: weights, optimizer or activations."""
    memory = run.costs.memory
    return None if memory is None else getattr(memory, part)


def ratio(cell: ResultCell) -> float | None:
    """FLOPs of a step as compiled, over those of the formula."""
    compiled, formula = (_median(cell, _cost(name)) for name in ("step_flops", "formula_flops"))
    return compiled / formula if compiled and formula else None


def _compiling(cell: ResultCell) -> str | None:
    """The most that one of the runs took: later ones find the programs compiled."""
    known = cell.known(lambda run: run.costs.compile_seconds)
    return time(max(known)) if known else None


def _far(grid: Grid) -> Sequence[str]:
    """Which rows' FLOPs are not those of the formula."""
    found = {cell.key: value for cell in grid.tested() if (value := ratio(cell))}
    far = [
        f"{', '.join(key)} {value:.2f}"
        for key, value in found.items()
        if not 1 / FAR <= value <= FAR
    ]
    told = f"FLOPs as compiled and by formula differ by more than {FAR:.0f} times: "
    return [f"{told}{'; '.join(far)}."] if far else []


def _money(prices: Prices) -> list[Column]:
    """The columns of what has a price."""
    columns = []
    if (hour := prices.per_hour) is not None:

        def one(run: RunRecord) -> float | None:
            seconds = run.costs.all_train_seconds
            return None if seconds is None else hour * seconds * run.device_count / HOUR

        def searched(cell: ResultCell) -> str | None:
            spent = _median(cell, one)
            return None if spent is None else money(spent * cell.ran)

        note = (
            f"Money: {hour:g} per device hour for training, scoring dev and compiling; of one run, "
            "and of all runs that chose and tested it (their number times the median). Scoring "
            "prompts alone is not timed."
        )
        columns += [
            Column("money", "one run", partial(_text, one, money), note),
            Column("money", "all runs", searched),
        ]
    if (example := prices.per_example) is not None:

        def labels(run: RunRecord) -> float | None:
            return example * (run.n_train + run.notes.n_dev)

        note = f"Labels: {example:g} per example of train and dev; those of test measure alone."
        columns.append(Column("money", "labels", partial(_text, labels, money), note))
    return columns


def money(amount: float) -> str:
    """Three digits below 1, else two decimals: `0.00123`, `12.50`."""
    return f"{amount:.3g}" if amount < 1 else f"{amount:,.2f}"


KEPT = (
    Column(
        "trained",
        "parameters",
        partial(_text, _cost("trained_params"), count),
        "All are medians over the tested runs.",
    ),
    Column("stored", "per task", partial(_text, _cost("stored_bytes"), byte_size)),
    Column(
        "added at inference",
        "parameters",
        partial(_text, _cost("added_params"), count),
        "Added at inference: parameters that stand beside the backbone, so that each request meets "
        "them too; what is merged or trained in place adds none.",
    ),
    Column(
        "a request",
        "tokens",
        partial(_text, _cost("request_tokens"), lambda tokens: f"{tokens:.0f}"),
        "A request: positions before the answer, demonstrations and soft prompts among them, and "
        "the bytes of their keys and values; an encoder alone keeps none.",
    ),
    Column("a request", "keys and values", partial(_text, _cost("cache_bytes"), byte_size)),
    Column(
        "switching",
        "milliseconds",
        switching,
        "Switching to the task: from what it stores in the host's memory to all of it on the "
        "devices.",
    ),
)

TRAINING = (
    Column(
        "FLOPs a step",
        "compiled",
        partial(_text, _cost("step_flops"), count),
        "FLOPs of the widest step of the last stage, as XLA counts them in the compiled program, "
        "and by formula: two for each weight and token that meets it, as many for each gradient "
        "that is asked for (Kaplan et al. 2020); without attention scores, norms, the optimizer.",
    ),
    Column("FLOPs a step", "by formula", partial(_text, _cost("formula_flops"), count)),
    Column(
        "FLOPs a step",
        "ratio",
        lambda cell: None if (found := ratio(cell)) is None else f"{found:.2f}",
    ),
    Column(
        "memory",
        "weights",
        partial(_text, partial(_memory, "weights"), byte_size),
        "Memory of the compiled step of one run: weights with the batch, the optimizer's state, "
        "and activations with gradients and all else that is alive at once.",
    ),
    Column("memory", "optimizer", partial(_text, partial(_memory, "optimizer_bytes"), byte_size)),
    Column("memory", "activations", partial(_text, partial(_memory, "activations"), byte_size)),
    Column(
        "seconds",
        "training",
        partial(_text, _cost("train_seconds"), time),
        "Seconds: of all steps, of scoring dev between them, and the most that compiling took for "
        "one of the runs, since later ones find the programs compiled.",
    ),
    Column("seconds", "scoring dev", partial(_text, _cost("evaluation_seconds"), time)),
    Column("seconds", "compiling", _compiling),
)

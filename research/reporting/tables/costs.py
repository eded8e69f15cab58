"""Cost tables: cost of storage, inference and training of each approach, by task and regime."""

import statistics
from collections.abc import Callable, Sequence
from functools import partial

from research.experiments.prices import Prices
from research.records.schema import RunRecord
from research.reporting.format import MISSING, amount, byte_size, count
from research.reporting.format import seconds as time
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.grid.measures import switching
from research.reporting.table import Table, TableCell
from research.reporting.tables.robustness import Column

# The formula leaves out attention scores, which take as many operations as all kernels only in rows
# six times as long as the model is wide. A larger ratio points to another way of counting.
FAR = 2.0
HOUR = 3600


def cost_tables(grid: Grid, prices: Prices) -> list[Table]:
    """Two tables for each task and regime with tested runs: storage and inference, and training.

    Notes are below the last table of each kind.
    """
    parts = (
        ("cost of storage and inference", STORAGE, []),
        ("cost of training", (*TRAINING, *_money(prices)), _far(grid)),
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
    column_notes = [column.note for column in columns if column.note]
    return Table(
        title=f"{where[0]}, {amount(where[1])}: {what}",
        heads=tuple((column.head, column.unit) for column in columns),
        scores=0,
        rows=tuple(line for line in lines.items() if line[0] not in grid.baselines),
        baselines=tuple(line for line in lines.items() if line[0] in grid.baselines),
        notes=() if others is None else (*column_notes, *others),
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
    """Compiled FLOPs of a step divided by those of the formula."""
    compiled, formula = (_median(cell, _cost(name)) for name in ("step_flops", "formula_flops"))
    return compiled / formula if compiled and formula else None


def _compiling(cell: ResultCell) -> str | None:
    """The maximum over the runs: later runs find the programs compiled."""
    known = cell.known(lambda run: run.costs.compile_seconds)
    return time(max(known)) if known else None


def _far(grid: Grid) -> Sequence[str]:
    """A note on the cells whose compiled FLOPs differ much from the formula."""
    ratios = {cell.key: value for cell in grid.tested() if (value := ratio(cell))}
    far = [
        f"{', '.join(key)} {value:.2f}"
        for key, value in ratios.items()
        if not 1 / FAR <= value <= FAR
    ]
    note = f"Compiled and analytic FLOPs differ by more than a factor of {FAR:.0f}: "
    return [f"{note}{'; '.join(far)}."] if far else []


def _money(prices: Prices) -> list[Column]:
    """The columns of costs in money."""
    columns = []
    if (hour := prices.per_hour) is not None:

        def one_run(run: RunRecord) -> float | None:
            seconds = run.costs.all_train_seconds
            return None if seconds is None else hour * seconds * run.device_count / HOUR

        def all_runs(cell: ResultCell) -> str | None:
            spent = _median(cell, one_run)
            return None if spent is None else money(spent * cell.ran)

        note = (
            f"Money: {hour:g} per device hour of training, scoring dev and compilation, for one "
            "run and for all runs of the cell (their number times the median). Scoring a prompt "
            "without training is not timed."
        )
        columns += [
            Column("money", "one run", partial(_text, one_run, money), note),
            Column("money", "all runs", all_runs),
        ]
    if (example := prices.per_example) is not None:

        def labels(run: RunRecord) -> float | None:
            return example * (run.n_train + run.notes.n_dev)

        note = f"Labels: {example:g} per training and dev example; test examples are not counted."
        columns.append(Column("money", "labels", partial(_text, labels, money), note))
    return columns


def money(amount: float) -> str:
    """Three digits below 1, else two decimals: `0.00123`, `12.50`."""
    return f"{amount:.3g}" if amount < 1 else f"{amount:,.2f}"


STORAGE = (
    Column(
        "trained",
        "parameters",
        partial(_text, _cost("trained_params"), count),
        "Medians over the tested runs.",
    ),
    Column("stored", "per task", partial(_text, _cost("stored_bytes"), byte_size)),
    Column(
        "added at inference",
        "parameters",
        partial(_text, _cost("added_params"), count),
        "Added at inference: parameters beside the backbone that every request uses. Merged "
        "adapters and backbone parameters trained in place add none.",
    ),
    Column(
        "per request",
        "tokens",
        partial(_text, _cost("request_tokens"), lambda tokens: f"{tokens:.0f}"),
        "Per request: tokens before the answer, including demonstrations and soft prompts, and "
        "bytes of their keys and values. An encoder-only model caches none.",
    ),
    Column("per request", "keys and values", partial(_text, _cost("cache_bytes"), byte_size)),
    Column(
        "switching",
        "milliseconds",
        switching,
        "Switching to the task: time to move its stored parameters from host memory to the "
        "devices.",
    ),
)

TRAINING = (
    Column(
        "FLOPs per step",
        "compiled",
        partial(_text, _cost("step_flops"), count),
        "FLOPs of the widest step of the last stage: counted by XLA in the compiled program, and "
        "by formula, 2 per weight and token, and as many for each gradient computed (Kaplan et al. "
        "2020), without attention scores, norms and the optimizer.",
    ),
    Column("FLOPs per step", "by formula", partial(_text, _cost("formula_flops"), count)),
    Column(
        "FLOPs per step",
        "ratio",
        lambda cell: None if (value := ratio(cell)) is None else f"{value:.2f}",
    ),
    Column(
        "memory",
        "weights",
        partial(_text, partial(_memory, "weights"), byte_size),
        "Memory of one run's compiled step: weights with the batch; optimizer state; activations, "
        "gradients and other temporaries.",
    ),
    Column("memory", "optimizer", partial(_text, partial(_memory, "optimizer_bytes"), byte_size)),
    Column("memory", "activations", partial(_text, partial(_memory, "activations"), byte_size)),
    Column(
        "seconds",
        "training",
        partial(_text, _cost("train_seconds"), time),
        "Seconds: all training steps; scoring dev between them; compilation, the maximum over "
        "runs, since later runs find the programs in the cache.",
    ),
    Column("seconds", "scoring dev", partial(_text, _cost("evaluation_seconds"), time)),
    Column("seconds", "compiling", _compiling),
)

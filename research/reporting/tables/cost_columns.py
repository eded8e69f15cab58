"""Columns of the cost tables."""

import statistics
from collections.abc import Callable
from functools import partial

from research.experiments.prices import Prices
from research.records.schema import RunRecord
from research.reporting.format import byte_size, count, seconds
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.measures import switching
from research.reporting.tables.column import Column

HOUR = 3600  # seconds

Value = Callable[[RunRecord], float | None]


def _median(cell: ResultCell, value: Value) -> float | None:
    """The median over the tested runs; None if one of them has no value."""
    values = cell.known(value)
    return statistics.median(values) if values and len(values) == len(cell.runs) else None


def _formatted(value: float | None, text: Callable[[float], str]) -> str | None:
    return None if value is None else text(value)


def _text(value: Value, text: Callable[[float], str], cell: ResultCell) -> str | None:
    median = _median(cell, value)
    return None if median is None else text(median)


def _cost(name: str) -> Value:
    """A field of `Costs`."""
    return lambda run: getattr(run.costs, name)


def _memory(name: str) -> Value:
    """A field of the memory of the compiled step."""
    return lambda run: None if run.costs.memory is None else getattr(run.costs.memory, name)


def flops_ratio(cell: ResultCell) -> float | None:
    """Compiled FLOPs of a step divided by analytic FLOPs."""
    compiled, analytic = (_median(cell, _cost(name)) for name in ("step_flops", "formula_flops"))
    return compiled / analytic if compiled and analytic else None


def _ratio_text(cell: ResultCell) -> str | None:
    ratio = flops_ratio(cell)
    return None if ratio is None else f"{ratio:.2f}"


def _compilation(cell: ResultCell) -> str | None:
    """The maximum over the runs, since later runs find the programs in the cache."""
    values = cell.known(_cost("compile_seconds"))
    return seconds(max(values)) if values else None


def _search(cell: ResultCell) -> str | None:
    """The total over all runs of the search; None while it is unfinished."""
    runs = [run for trial in cell.search for run in trial]
    values = [value for run in runs if (value := run.costs.run_seconds) is not None]
    return seconds(sum(values)) if runs and len(values) == len(runs) else None


def money_columns(prices: Prices, several: bool = False, charged: bool = False) -> list[Column]:
    """The columns of costs in money, for the prices that are known.

    Args:
        prices: the prices.
        several: whether the rows have several backbones, so that answers cost differently.
        charged: whether external models charge for answers.
    """
    columns = []
    if (hour := prices.per_hour) is not None:

        def one_run(run: RunRecord) -> float | None:
            spent = run.costs.all_train_seconds
            return None if spent is None else hour * spent * run.device_count / HOUR

        def all_runs(cell: ResultCell) -> str | None:
            median = _median(cell, one_run)
            return None if median is None else money(median * cell.ran)

        note = (
            f"Money: {hour:g} per device hour of training, scoring dev and compilation, for one "
            "run and for all runs of the cell (their number times the median)."
        )
        columns += [
            Column("money", "one run", partial(_text, one_run, money), note),
            Column("money", "all runs", all_runs),
        ]
    if charged or (several and hour is not None):
        spent = [] if hour is None else [f"the time to score test at {hour:g} per device hour"]
        spent += ["what an external model charges, mean over the test items"] if charged else []
        note = f"Money of 1,000 answers: {'; '.join(spent)}."
        columns.append(Column("money", "1,000 answers", partial(_answers_money, hour), note))
    if (example := prices.per_example) is not None:

        def labels(run: RunRecord) -> float | None:
            return example * (run.n_train + run.notes.n_dev)

        note = f"Labels: {example:g} per training and dev example; test examples are not counted."
        columns.append(Column("money", "labels", partial(_text, labels, money), note))
    return columns


def _answers_money(hour: float | None, cell: ResultCell) -> str | None:
    """Money of 1,000 answers: of a backbone at a price per device hour, or as charged."""
    if (price := _median(cell, _cost("request_price"))) is not None:
        return money(1000 * price)
    milliseconds = cell.cost("milliseconds")  # of one answer, and so the seconds of 1,000
    if hour is None or milliseconds is None or cell.runs[0].backbone is None:
        return None
    return money(hour * milliseconds * cell.runs[0].device_count / HOUR)


def money(amount: float) -> str:
    """Three digits below 1, else two decimals: `0.00123`, `12.50`."""
    return f"{amount:.3g}" if amount < 1 else f"{amount:,.2f}"


# In a comparison of several backbones, before `STORAGE`.
BACKBONE = (
    Column(
        "backbone",
        "parameters",
        partial(_text, lambda run: run.backbone and run.backbone.parameters, count),
    ),
    Column(
        "whole model",
        "bytes",
        lambda cell: _formatted(cell.cost("model_bytes"), byte_size),
        "Whole model: all parameters at inference, in float32.",
    ),
    Column(
        "per answer",
        "milliseconds",
        lambda cell: _formatted(cell.cost("milliseconds"), seconds),
        "Per answer: time to score test, in batches and without compilation, by the number of test "
        "items.",
    ),
)

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
        _ratio_text,
    ),
    Column(
        "memory",
        "weights",
        partial(_text, _memory("weights"), byte_size),
        "Memory of one run's compiled step: weights with the batch; optimizer state; activations, "
        "gradients and other temporaries.",
    ),
    Column("memory", "optimizer", partial(_text, _memory("optimizer_bytes"), byte_size)),
    Column("memory", "activations", partial(_text, _memory("activations"), byte_size)),
    Column(
        "seconds",
        "training",
        partial(_text, _cost("train_seconds"), seconds),
        "Seconds: all training steps; scoring dev, during training and once after it; the search, "
        "which is training and scoring dev in all runs of all trials; scoring test once; "
        "compilation, the maximum over runs, since later runs find the programs in the cache. "
        "Scores of the unadapted backbone that runs share count in each of them.",
    ),
    Column("seconds", "scoring dev", partial(_text, _cost("evaluation_seconds"), seconds)),
    Column("seconds", "search", _search),
    Column("seconds", "scoring test", partial(_text, _cost("test_seconds"), seconds)),
    Column("seconds", "compiling", _compilation),
)

"""Columns of the cost tables."""

from collections.abc import Callable
from functools import partial

from research.reporting.format import byte_size, count, seconds
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.measures import switching
from research.reporting.tables.column import Column, Value, median_of, median_text


def _formatted(value: float | None, text: Callable[[float], str]) -> str | None:
    return None if value is None else text(value)


def _cost(name: str) -> Value:
    """A field of `Costs`."""
    return lambda run: getattr(run.costs, name)


def _memory(name: str) -> Value:
    """A field of the memory of the compiled step."""
    return lambda run: None if run.costs.memory is None else getattr(run.costs.memory, name)


def flops_ratio(cell: ResultCell) -> float | None:
    """Compiled FLOPs of a step divided by analytic FLOPs."""
    compiled, analytic = (median_of(cell, _cost(name)) for name in ("step_flops", "formula_flops"))
    return compiled / analytic if compiled and analytic else None


def _compilation(cell: ResultCell) -> str | None:
    """The maximum over the runs, since later runs find the programs in the cache."""
    values = cell.known(_cost("compile_seconds"))
    return seconds(max(values)) if values else None


def _search(cell: ResultCell) -> str | None:
    """The total over all runs of the search; None while it is unfinished."""
    runs = [run for trial in cell.search for run in trial]
    values = [value for run in runs if (value := run.costs.run_seconds) is not None]
    return seconds(sum(values)) if runs and len(values) == len(runs) else None


# In a comparison of several backbones, before `STORAGE`.
BACKBONE = (
    Column(
        "backbone",
        "parameters",
        partial(median_text, lambda run: run.backbone and run.backbone.parameters, count),
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
        partial(median_text, _cost("trained_params"), count),
        "Medians over the tested runs.",
    ),
    Column("stored", "per task", partial(median_text, _cost("stored_bytes"), byte_size)),
    Column(
        "added at inference",
        "parameters",
        partial(median_text, _cost("added_params"), count),
        "Added at inference: parameters beside the backbone that every request uses. Merged "
        "adapters and backbone parameters trained in place add none.",
    ),
    Column(
        "per request",
        "tokens",
        partial(median_text, _cost("request_tokens"), lambda tokens: f"{tokens:.0f}"),
        "Per request: tokens before the answer, including demonstrations and soft prompts, and "
        "bytes of their keys and values. An encoder-only model caches none.",
    ),
    Column("per request", "keys and values", partial(median_text, _cost("cache_bytes"), byte_size)),
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
        partial(median_text, _cost("step_flops"), count),
        "FLOPs of the widest step of the last stage: counted by XLA in the compiled program, and "
        "by formula, 2 per weight and token, and as many for each gradient computed (Kaplan et al. "
        "2020), without attention scores, norms and the optimizer.",
    ),
    Column("FLOPs per step", "by formula", partial(median_text, _cost("formula_flops"), count)),
    Column(
        "FLOPs per step",
        "ratio",
        lambda cell: _formatted(flops_ratio(cell), "{:.2f}".format),
    ),
    Column(
        "memory",
        "weights",
        partial(median_text, _memory("weights"), byte_size),
        "Memory of one run's compiled step: weights with the batch; optimizer state; activations, "
        "gradients and other temporaries.",
    ),
    Column("memory", "optimizer", partial(median_text, _memory("optimizer_bytes"), byte_size)),
    Column("memory", "activations", partial(median_text, _memory("activations"), byte_size)),
    Column(
        "seconds",
        "training",
        partial(median_text, _cost("train_seconds"), seconds),
        "Seconds: all training steps; scoring dev; the search, which is training and scoring dev "
        "in all runs of all trials; scoring test once; compilation, the maximum over runs, since "
        "later runs find the programs in the cache. "
        "Scores of the unadapted backbone that runs share count in each of them.",
    ),
    Column("seconds", "scoring dev", partial(median_text, _cost("evaluation_seconds"), seconds)),
    Column("seconds", "search", _search),
    Column("seconds", "scoring test", partial(median_text, _cost("test_seconds"), seconds)),
    Column("seconds", "compiling", _compilation),
)

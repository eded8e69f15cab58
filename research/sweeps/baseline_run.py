"""Runs of the rows that need no backbone."""

import numpy as np

from research.evaluation.baselines import BASELINES, Fitted
from research.sweeps.plan import Run
from research.sweeps.result import Result
from research.tasks.metrics import METRICS
from research.tasks.sampling import draw
from research.tasks.task import Example


def run_baseline(run: Run) -> Result:
    """Fits the approach's baseline to the run's split; it sees the texts, and no prompt."""
    task, approach = run.cell.task, run.approach
    split = draw(task, run.cell.regime, run.seed, run.cell.experiment.max_dev)
    fit = BASELINES[approach.baseline or ""].fit
    gold = _classes(task.labels, split.train)
    fitted = fit(_texts(split.train), gold.tolist(), len(task.labels), **approach.options)
    return Result(
        status="finished",
        n_train=len(split.train),
        metrics={
            "train": _measured(fitted, split.train, task.labels),
            "dev": _measured(fitted, split.dev, task.labels),
        },
        costs={
            "trained_params": fitted.trained_params,
            "stored_bytes": fitted.stored_bytes,
            "train_seconds": fitted.seconds,
            "added_tokens": 0,
            "step_flops": None,
        },
        notes={"dropped": split.dropped},
        data={"task_checksum": task.checksum, "split_checksum": split.checksum},
        test_scores=lambda split: fitted.scores(_texts(task.tests[split])),
    )


def _measured(
    fitted: Fitted, examples: tuple[Example, ...], labels: tuple[str, ...]
) -> dict[str, float]:
    gold = _classes(labels, examples)
    predicted, scores = fitted.predict(_texts(examples))
    metrics = {name: float(of(predicted, gold, len(labels))) for name, of in METRICS.items()}
    return {**metrics, "loss": -float(scores[np.arange(len(gold)), gold].mean())}


def _texts(examples: tuple[Example, ...]) -> list[str]:
    return [" ".join(example.fields.values()) for example in examples]


def _classes(labels: tuple[str, ...], examples: tuple[Example, ...]) -> np.ndarray:
    index = {label: i for i, label in enumerate(labels)}
    return np.array([index[example.label] for example in examples])

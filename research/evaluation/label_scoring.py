"""The compiled label scorer, and the metrics of label scores."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.scoring import label_scores
from research.methods.adapted import Adapted
from research.methods.method import Array, Leaves
from research.models.model import Model
from research.runtime.executable import Executable
from research.tasks.encoding.encoded import Labels
from research.tasks.metrics.classification import METRICS


class Scored(NamedTuple):
    """scores: [I, C] of each label, higher is likelier. loss: mean negative log-probability of a
    token of the right label's target, in nats. metrics: every metric by name, the loss with them.
    """

    scores: np.ndarray
    loss: float
    metrics: dict[str, float]


def target_loss(scores: np.ndarray, gold: np.ndarray, lengths: Array) -> float:
    """Of the right targets [I], which index scores [I, K] and their lengths [K] in tokens."""
    right = scores[np.arange(len(gold)), gold]
    return -float(right.sum() / np.asarray(lengths)[gold].sum())


def measured(scores: np.ndarray, gold: np.ndarray, loss: float) -> Scored:
    """Metrics of label scores [I, C] against the right labels [I]."""
    predicted = scores.argmax(-1)
    metrics = {
        name: float(metric(predicted, gold, scores.shape[1])) for name, metric in METRICS.items()
    }
    return Scored(scores, loss, {**metrics, "loss": loss})


@functools.lru_cache
def label_scorer(model: Model, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled scorer, rows split over all devices; cached, so that nothing compiles twice."""

    def scores(
        methods, leaves: Leaves, batch: Rows, frame: PromptFrame, labels: Labels
    ) -> jax.Array:
        return label_scores(Adapted(model, methods, leaves, dtype), batch, frame, labels)

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(scores, in_shardings=(None, None, by_row, None, None)))

"""Label scores of many examples under one adapted backbone."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.devices import Devices, spread
from research.evaluation.batch import Frame, Rows, prompt_width, rows
from research.evaluation.scoring import label_scores
from research.executable import Executable
from research.methods.adapted import Adapted
from research.methods.method import Array, Leaves, Method, adding
from research.models.model import Model
from research.tasks.encoded import Encoded, Labels
from research.tasks.metrics import METRICS


class Scored(NamedTuple):
    """scores: [I, C] of each label, higher is likelier. loss: mean negative log-probability of a
    token of the right label's target, in nats. metrics: every metric by name, the loss with them.
    """

    scores: np.ndarray
    loss: float
    metrics: dict[str, float]


def predict(
    model: Model,
    methods: tuple[Method, ...],
    leaves: Leaves,
    encoded: Encoded,
    frame: Frame,
    labels: Labels,
    **settings: Any,
) -> Scored:
    """The scores and metrics where a label has one text; `settings` are those of `score`."""
    scores = score(model, methods, leaves, encoded, frame, labels, **settings)
    return measured(scores, encoded.label, target_loss(scores, encoded.label, labels.length))


def score(
    model: Model,
    methods: tuple[Method, ...],
    leaves: Leaves,
    encoded: Encoded,
    frame: Frame,
    labels: Labels,
    *,
    devices: Devices,
    dtype: Any,
    batch_size: int = 32,
) -> np.ndarray:
    """[I, C] float32: the summed log-probability of every label for every example, `batch_size` at
    a time; the last batch is padded, so that splits of all sizes share compiled code. Rows of
    similar length share a batch.

    The result does not depend on the batch size or on which examples stand beside one another.
    """
    mesh, methods = devices.mesh(), adding(methods, leaves)
    scorer = _scorer(model, dtype, mesh)  # pyright: ignore
    size = -(-batch_size // mesh.size) * mesh.size
    leaves = spread(leaves, mesh)
    scores = np.zeros((len(encoded.length), len(labels.length)), np.float32)
    order = np.argsort(encoded.start, kind="stable")
    for begin in range(0, len(order), size):
        chosen = order[begin : begin + size]
        width = prompt_width(encoded, chosen, len(frame.closing))
        batch = rows(encoded, chosen, size, width, labels.tokens.shape[1])
        result = scorer(methods, leaves, batch, frame, labels)
        scores[chosen] = np.asarray(result)[: len(chosen)]
    return scores


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
def _scorer(model: Model, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled scorer, rows cut over all devices; one per model, so nothing compiles twice."""

    def scores(methods, leaves: Leaves, batch: Rows, frame: Frame, labels: Labels) -> jax.Array:
        return label_scores(Adapted(model, methods, leaves, dtype), batch, frame, labels)

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(scores, in_shardings=(None, None, by_row, None, None)))

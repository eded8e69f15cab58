"""Label scores of many examples under one adapted backbone."""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import PromptFrame, Rows, batch_rows, prompt_width
from research.evaluation.scoring import label_scores
from research.methods.adapted import Adapted
from research.methods.method import Array, Leaves, Method, adding
from research.models.model import Model
from research.runtime.devices import Devices, place_leaves
from research.runtime.executable import Call, Executable
from research.tasks.encoding.encoded import Encoded, Labels
from research.tasks.metrics.classification import METRICS


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
    frame: PromptFrame,
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
    frame: PromptFrame,
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
    call = _caller(model, methods, leaves, frame, labels, devices, dtype)
    scores = np.zeros((len(encoded.length), len(labels.length)), np.float32)
    size = _size(batch_size, devices)
    for chosen, width in _batches(encoded, frame, size):
        executable, args = call(batch_rows(encoded, chosen, size, width, labels.tokens.shape[1]))
        scores[chosen] = np.asarray(executable(*args))[: len(chosen)]
    return scores


def calls(
    model: Model,
    methods: tuple[Method, ...],
    leaves: Leaves,
    encoded: Encoded,
    frame: PromptFrame,
    labels: Labels,
    *,
    devices: Devices,
    dtype: Any,
    batch_size: int = 32,
) -> list[Call]:
    """Those that `score` will make, one of each shape."""
    call = _caller(model, methods, leaves, frame, labels, devices, dtype)
    size = _size(batch_size, devices)
    shapes = {width: chosen for chosen, width in _batches(encoded, frame, size)}
    targets = labels.tokens.shape[1]
    return [call(batch_rows(encoded, some, size, width, targets)) for width, some in shapes.items()]


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


def _caller(
    model: Model,
    methods: tuple[Method, ...],
    leaves: Leaves,
    frame: PromptFrame,
    labels: Labels,
    devices: Devices,
    dtype: Any,
) -> Callable[[Rows], Call]:
    """What scoring a batch is."""
    mesh, methods = devices.mesh(), adding(methods, leaves)
    scorer, leaves = _scorer(model, dtype, mesh), place_leaves(leaves, mesh)  # pyright: ignore
    return lambda batch: Call(scorer, (methods, leaves, batch, frame, labels))


def _batches(encoded: Encoded, frame: PromptFrame, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """(the examples of a batch, its width), rows of similar length together."""
    order = np.argsort(encoded.prompt_length, kind="stable")
    for begin in range(0, len(order), size):
        chosen = order[begin : begin + size]
        yield chosen, prompt_width(encoded, chosen, len(frame.suffix_ids))


def _size(batch_size: int, devices: Devices) -> int:
    """Rows of a batch that is cut over the devices."""
    count = devices.mesh().size
    return -(-batch_size // count) * count


@functools.lru_cache
def _scorer(model: Model, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled scorer, rows cut over all devices; one per model, so nothing compiles twice."""

    def scores(
        methods, leaves: Leaves, batch: Rows, frame: PromptFrame, labels: Labels
    ) -> jax.Array:
        return label_scores(Adapted(model, methods, leaves, dtype), batch, frame, labels)

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(scores, in_shardings=(None, None, by_row, None, None)))

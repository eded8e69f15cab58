"""The loss of many rows' targets under one adapted backbone: what training minimises."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import PromptFrame, Rows, batch_rows, bucket
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method, adding
from research.models.model import Model
from research.runtime.devices import Devices, place_leaves
from research.runtime.executable import Executable
from research.tasks.encoding.encoded import Encoded, pad_rows


def text_loss(
    model: Model,
    methods: tuple[Method, ...],
    leaves: Leaves,
    encoded: Encoded,
    frame: PromptFrame,
    *,
    devices: Devices,
    dtype: Any,
    batch_size: int = 8,
) -> float:
    """Mean negative log-probability of a target token, in nats; NaN if there is none.

    Each is predicted from what stands before it in its row, the frame's opening and whatever the
    methods put before every row. All batches have one width, so that they share compiled code.
    """
    mesh, methods = devices.mesh(), adding(methods, leaves)
    score = _scorer(model, dtype, mesh)  # pyright: ignore
    size = -(-batch_size // mesh.size) * mesh.size
    width, leaves = bucket(int(encoded.length.max(initial=1))), place_leaves(leaves, mesh)
    targets = bucket(encoded.longest_target)
    total = count = 0.0
    for begin in range(0, len(encoded.length), size):
        chosen = np.arange(begin, min(begin + size, len(encoded.length)))
        batch = batch_rows(encoded, chosen, size, width, targets)
        summed, counted = score(methods, leaves, batch, frame)
        total, count = total - float(summed), count + int(counted)
    return total / count if count else float("nan")


@functools.lru_cache
def _scorer(model: Model, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled (sum of log-probabilities, how many); one per model."""

    def score(
        methods, leaves: Leaves, batch: Rows, frame: PromptFrame
    ) -> tuple[jax.Array, jax.Array]:
        adapted = Adapted(model, methods, leaves, dtype)
        logprobs, counted = target_logprobs(adapted, batch, frame)
        return jnp.where(counted, logprobs, 0.0).sum(), counted.sum()

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(score, in_shardings=(None, None, by_row, None)))


# Routes of backbones for which the probability of plain text, token by token, means nothing.
UNDEFINED = {
    "seq2seq": "a T5 fills gaps or answers: it gives plain text no probability",
    "masked": "a masked language model gives plain text no probability",
    "head": "a classification head stands in place of the language model's",
}


def passages(stream: Sequence[int], lengths: Sequence[int]) -> Encoded:
    """The stream of ids cut into rows of these lengths, one after another, as far as it goes."""
    ends = [end for end in np.cumsum(lengths) if end <= len(stream)]
    begins = [0, *ends[:-1]]
    return plain_rows([stream[a:b] for a, b in zip(begins, ends, strict=False)])


def plain_rows(texts: Sequence[Sequence[int]]) -> Encoded:
    """Rows of ids, in which all tokens but a row's first are targets."""
    tokens, length = pad_rows(texts)
    nothing = np.zeros(len(texts), np.int32)
    return Encoded(tokens, length, np.minimum(length, 1), nothing, cut=0)

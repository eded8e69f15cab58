"""The compiled loss of a batch's targets, and rows of plain text."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.scoring import target_logprobs
from research.evaluation.trunk.states import DividedLeaves, resumed
from research.methods.adapted import Adapted
from research.methods.method import Leaves
from research.models.model import Model
from research.runtime.executable import Executable
from research.tasks.encoding.encoded import Encoded, pad_rows


@functools.lru_cache
def loss_scorer(model: Model, dtype: Any, mesh: Mesh) -> Executable:
    """Compiled (sum of target log-probabilities, number of targets) of a batch; one per model."""

    def plain(unknown, weights: Leaves, shared: tuple[PromptFrame], batch: Rows):
        methods, leaves = unknown
        adapted = Adapted(model, methods, {**weights, **leaves}, dtype, trained=frozenset(leaves))
        return target_logprobs(adapted, batch, *shared)

    def score(
        methods, leaves: DividedLeaves, batch: Rows, frame: PromptFrame
    ) -> tuple[jax.Array, jax.Array]:
        unknown = (methods, leaves.unknown)
        logprobs, counted = resumed(plain, unknown, leaves.weights, (frame,), batch)
        return jnp.where(counted, logprobs, 0.0).sum(), counted.sum()

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(score, in_shardings=(None, None, by_row, None)))


# Routes for which the probability of plain text, token by token, is not defined.
UNDEFINED = {
    "seq2seq": "a T5 fills gaps or answers: it gives plain text no probability",
    "masked": "a masked language model gives plain text no probability",
    "head": "a classification head stands in place of the language model's",
}


def passages(stream: Sequence[int], lengths: Sequence[int]) -> Encoded:
    """Consecutive rows of these lengths from a stream of ids, as far as it goes."""
    ends = [end for end in np.cumsum(lengths) if end <= len(stream)]
    begins = [0, *ends[:-1]]
    return plain_rows([stream[a:b] for a, b in zip(begins, ends, strict=False)])


def plain_rows(texts: Sequence[Sequence[int]]) -> Encoded:
    """Rows of ids whose tokens are all targets, except the first of each row."""
    tokens, length = pad_rows(texts)
    nothing = np.zeros(len(texts), np.int32)
    return Encoded(tokens, length, np.minimum(length, 1), nothing, cut=0)

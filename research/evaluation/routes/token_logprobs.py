"""Log-probabilities of tokens, by chunks of positions where all logits together are too large."""

import math
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Var

from research.evaluation.routes.row import pick
from research.methods.adapted import Adapted
from research.methods.method import Array, Leaves, Method
from research.models.model import Model

MOST_LOGIT_BYTES = 128 << 20  # bytes of logits that are computed without chunks
CHUNK = 64 << 20  # bytes of the logits of a chunk


class Unembedding(NamedTuple):
    """From hidden states to log-probabilities: the static part.

    Attributes:
        model: the backbone.
        dtype: compute precision.
        smoothing: label smoothing, see `pick`.
    """

    model: Model
    dtype: Any
    smoothing: float

    def logprobs(
        self, methods: tuple[Method, ...], leaves: Leaves, hidden: jax.Array, tokens: jax.Array
    ) -> jax.Array:
        """log p [B, L] of `tokens` [B, L], or [B, L, K] of K tokens for each position."""
        logits = Adapted(self.model, methods, leaves, self.dtype).logits(hidden)
        if tokens.ndim == hidden.ndim - 1:
            return pick(logits, tokens, self.smoothing)
        chosen = jnp.take_along_axis(logits, tokens, axis=-1)
        return chosen - jax.nn.logsumexp(logits, axis=-1, keepdims=True)


def token_logprobs(
    adapted: Adapted, hidden: jax.Array, tokens: Array, smoothing: float = 0.0
) -> jax.Array:
    """log p of tokens, predicted from hidden states [B, L, D].

    Logits of more than `MOST_LOGIT_BYTES` are computed for one chunk of positions after another,
    and again for the gradient of the leaves on which they depend, if one of these trains. The
    gradient of the hidden states needs no second computation.

    Args:
        adapted: the adapted backbone.
        hidden: [B, L, D] hidden states after the final norm.
        tokens: [B, L], or [B, L, K] for several tokens at each position, which are not smoothed.
        smoothing: label smoothing, see `pick`.
    """
    tokens, (rows, length) = jnp.asarray(tokens), tokens.shape[:2]
    groups, slots = chunk_shape(rows, length, adapted.model.config.vocab_size)
    whole = Unembedding(adapted.model, adapted.dtype, smoothing)
    if (groups, slots) == (rows, length):
        return whole.logprobs(adapted.methods, adapted.leaves, hidden, tokens)
    read = _dependencies(partial(whole.logprobs, adapted.methods), adapted.leaves, hidden, tokens)
    used = {path: leaf for path, leaf in adapted.leaves.items() if path in read}
    chunks = (_chunks(hidden, groups, slots), _chunks(tokens, groups, slots))
    # The rule for gradients is for one token of each position.
    by_chunk = _each_chunk if tokens.ndim == 3 else _by_chunk
    logprobs = by_chunk(whole, adapted.methods, used, *chunks)
    in_order = jnp.moveaxis(logprobs, 0, 1).reshape(groups, -1, *tokens.shape[2:])
    return in_order[:, : rows * length // groups].reshape(tokens.shape)


def chunk_shape(rows: int, length: int, vocabulary: int) -> tuple[int, int]:
    """(G, S): a chunk has S slots of G groups of rows; (B, L) if all logits are computed at once.

    A group is B / G consecutive rows, whose positions are its slots. There are B groups, so that
    the rows of a sharded batch are not moved, unless the logits of one position of all rows are
    too large.
    """
    if 4 * rows * length * vocabulary <= MOST_LOGIT_BYTES:
        return rows, length
    most = max(1, CHUNK // (4 * vocabulary))
    groups = next(n for n in range(min(rows, most), 0, -1) if rows % n == 0)
    slots = rows * length // groups
    return groups, math.ceil(slots / math.ceil(slots / (most // groups)))


def uncounted_flops(model: Model, shape: tuple[int, ...], trained: Collection[str]) -> float:
    """FLOPs of a step's logits that XLA does not count: it counts one iteration of a loop.

    Args:
        model: the backbone.
        shape: (B, L) of the targets.
        trained: paths of the trained leaves.
    """
    vocabulary, tied = model.config.vocab_size, model.ROUTE == "masked" or model.config.tied
    rows, length = shape
    groups, slots = chunk_shape(rows, length, vocabulary)
    chunks = math.ceil(rows * length / (groups * slots))
    # The logits and the gradient of their inputs; and both for the table or the output layer.
    products = 4 if ("embed/embedding" if tied else "head/kernel") in trained else 2
    return (chunks - 1) * products * 2.0 * groups * slots * model.config.width * vocabulary


def _chunks(array: jax.Array, groups: int, slots: int) -> jax.Array:
    """[B, L, ...] as [chunks, groups, slots, ...], with zeros after the last slot."""
    array = array.reshape(groups, -1, *array.shape[2:])
    padding = [(0, 0), (0, -array.shape[1] % slots), *[(0, 0)] * (array.ndim - 2)]
    array = jnp.pad(array, padding)
    return jnp.moveaxis(array.reshape(groups, -1, slots, *array.shape[2:]), 1, 0)


def _dependencies(function: Callable, leaves: Leaves, *args: Any) -> set[str]:
    """Paths of the leaves on which the result of `function(leaves, *args)` depends."""
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), (leaves, *args))
    jaxpr = jax.make_jaxpr(function)(*shapes).jaxpr
    needed = {var for var in jaxpr.outvars if isinstance(var, Var)}
    for equation in reversed(jaxpr.eqns):
        if not needed.isdisjoint(equation.outvars):
            needed.update(var for var in equation.invars if isinstance(var, Var))
    paths = jax.tree.leaves({path: path for path in leaves})
    return {path for path, var in zip(paths, jaxpr.invars, strict=False) if var in needed}


def _each_chunk(
    whole: Unembedding, methods: Any, used: Leaves, hidden: jax.Array, tokens: jax.Array
) -> jax.Array:
    """log p [chunks, G, S] of the tokens of each chunk.

    Args:
        whole: the static part.
        methods: the methods at work.
        used: the leaves on which the logits depend.
        hidden: [chunks, G, S, D].
        tokens: [chunks, G, S], or with an axis more as in `token_logprobs`.
    """
    return jax.lax.map(lambda chunk: whole.logprobs(methods, used, *chunk), (hidden, tokens))


def _forward(
    whole: Unembedding, methods: Any, used: Leaves, hidden: jax.Array, tokens: jax.Array
) -> tuple[jax.Array, Any]:
    """The log-probability of a position depends on its own hidden state alone. So the gradient of
    all of them follows from the same logits, up to the factors that the backward pass knows.
    """

    def chunk(inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        states, ids = inputs
        logprobs, pullback = jax.vjp(lambda x: whole.logprobs(methods, used, x, ids), states)
        return logprobs, pullback(jnp.ones_like(logprobs))[0]

    logprobs, gradient = jax.lax.map(chunk, (hidden, tokens))
    return logprobs, (methods, used, hidden, tokens, gradient)


def _backward(whole: Unembedding, saved: Any, cotangent: jax.Array) -> tuple[Any, ...]:
    """XLA omits the gradient of leaves if none of them trains."""
    methods, used, hidden, tokens, gradient = saved

    def add_chunk(total: Leaves, inputs: Any) -> tuple[Leaves, None]:
        states, ids, factors = inputs
        _, pullback = jax.vjp(lambda leaves: whole.logprobs(methods, leaves, states, ids), used)
        return jax.tree.map(jnp.add, total, pullback(factors)[0]), None

    zeros = jax.tree.map(jnp.zeros_like, used)
    of_used, _ = jax.lax.scan(add_chunk, zeros, (hidden, tokens, cotangent))
    of_hidden = (cotangent[..., None] * gradient).astype(hidden.dtype)
    return None, of_used, of_hidden, None


_by_chunk = jax.custom_vjp(_each_chunk, nondiff_argnums=(0,))
_by_chunk.defvjp(_forward, _backward)

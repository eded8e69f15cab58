"""The train step: a pure function of (state, frozen, rows, frame, hyper-parameters)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from research.common.errors import InputError
from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.scoring import choice_logprobs, target_logprobs
from research.evaluation.trunk.states import resumed
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method
from research.methods.shared.leaves import added_to
from research.models.model import Model
from research.training.optimizer import Schedule, learning_rate_at, optimizer, rate_factors


class TrainState(NamedTuple):
    """Everything that a step changes.

    Attributes:
        step: [] int32 number of steps done.
        key: the run's random key.
        trained: the trained leaves, float32.
        optimizer: optax's state of the trained leaves.
    """

    step: jax.Array
    key: jax.Array
    trained: Leaves
    optimizer: Any


class Hyper(NamedTuple):
    """Traced hyper-parameters: runs that differ only in these and in seed share a compiled step.

    Attributes:
        methods: the methods at work; those that train are last.
        learning_rate: peak of the learning rate.
        weight_decay: decoupled weight decay, times the learning rate.
    """

    methods: tuple[Method, ...]
    learning_rate: ArrayLike
    weight_decay: ArrayLike


class Metrics(NamedTuple):
    """Metrics of one step.

    Attributes:
        loss: mean negative log-probability of a target token in nats, with the schedule's label
            smoothing, without penalties of methods, to be comparable with the loss on dev; of the
            right choice by the objective `choices`.
        tokens: number of target tokens, or of right choices.
    """

    loss: jax.Array
    tokens: jax.Array


@dataclass(frozen=True)
class Program:
    """The static part of a step, which is compiled in.

    Attributes:
        model: the backbone.
        schedule: optimizer and schedule.
        dtype: compute precision.
        remat: whether activations are recomputed for the gradients, see `layers_again`.

    Raises InputError for dropout in a model that does not implement it.
    """

    model: Model
    schedule: Schedule
    dtype: Any = jnp.float32
    remat: bool = False

    def __post_init__(self) -> None:
        if self.schedule.dropout and not self.model.DROPS:
            allowed = "this model family has no dropout here; T5 has"
            raise InputError("schedule.dropout", self.schedule.dropout, allowed)


def init_state(program: Program, key: jax.Array, trained: Leaves) -> TrainState:
    """The state before the first step; trained leaves are copied to float32."""
    trained = {path: jnp.array(leaf, jnp.float32) for path, leaf in trained.items()}
    zero = jnp.zeros(())
    return TrainState(
        jnp.zeros((), jnp.int32),
        key,
        trained,
        optimizer(program.schedule, zero, zero).init(trained),
    )


def train_step(
    program: Program,
    state: TrainState,
    frozen: Leaves,
    rows: Rows,
    frame: PromptFrame,
    hyper: Hyper,
    axis: str | None = None,
) -> tuple[TrainState, Metrics]:
    """One optimizer step on the token-weighted mean loss of `rows`.

    The loss is a token sum divided by a token count, and a row's random key depends on its index in
    the whole batch, so jit, a mesh and pmap agree up to rounding. Penalties of methods are added to
    that mean.

    Args:
        program: the static part.
        state: the state before the step.
        frozen: the leaves that do not train.
        rows: the batch; with `axis` this device's part of it.
        frame: the ids around every row.
        hyper: methods and hyper-parameters.
        axis: name of the pmap axis over which sums run; None for no pmap.
    """
    key = jax.random.fold_in(state.key, state.step)
    parts = _micro_batches(rows, program.schedule.accumulate)
    smoothing, dropout = program.schedule.label_smoothing, program.schedule.dropout

    def target_scores(unknown, weights: Leaves, shared: tuple[PromptFrame], part: Rows):
        trained, methods, key = unknown
        adapted = Adapted(
            program.model,
            methods,
            {**weights, **trained},
            program.dtype,
            dropout,
            program.remat,
            trained=frozenset(trained),
        )
        if program.schedule.objective == "choices":
            return choice_logprobs(adapted, part, *shared, key)
        return target_logprobs(adapted, part, *shared, key, smoothing)

    def loss_sum(trained: Leaves, part: Rows) -> tuple[jax.Array, jax.Array]:
        added = {path: leaf for path, leaf in frozen.items() if ":" in path}
        weights = {path: leaf for path, leaf in frozen.items() if ":" not in path}
        unknown = ({**added, **trained}, hyper.methods, key)
        logprobs, counted = resumed(target_scores, unknown, weights, (frame,), part)
        return -jnp.where(counted, logprobs, 0.0).sum(), counted.sum()

    def accumulate(carry, part: Rows):
        (loss, tokens), grads = jax.value_and_grad(loss_sum, has_aux=True)(state.trained, part)
        return jax.tree.map(jnp.add, carry, (loss, tokens, grads)), None

    zeros = (jnp.zeros(()), jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, state.trained))
    if program.schedule.accumulate == 1:
        (loss, tokens, grads), _ = accumulate(zeros, jax.tree.map(lambda x: x[0], parts))
    else:
        (loss, tokens, grads), _ = jax.lax.scan(accumulate, zeros, parts)
    if axis is not None:
        loss, tokens, grads = jax.lax.psum((loss, tokens, grads), axis)
    count = jnp.maximum(tokens, 1)
    grads = jax.tree.map(lambda g: g / count, grads)
    grads = _with_penalties(hyper.methods, state.trained, frozen, grads)

    rate = learning_rate_at(program.schedule, hyper.learning_rate, state.step)
    transform = optimizer(program.schedule, rate, hyper.weight_decay)
    updates, optimizer_state = transform.update(grads, state.optimizer, state.trained)
    groups = rate_factors(program.schedule, hyper.methods, state.trained)
    scaled = {p: u * groups[p] if p in groups else u for p, u in updates.items()}  # pyright: ignore
    trained = optax.apply_updates(state.trained, scaled)
    state = TrainState(state.step + 1, state.key, trained, optimizer_state)  # pyright: ignore
    return state, Metrics(loss / count, tokens)


def _with_penalties(
    methods: tuple[Method, ...], trained: Leaves, frozen: Leaves, grads: Leaves
) -> Leaves:
    """`grads` plus the gradients of the methods' penalties; unchanged if no method has one."""
    penalized = [method for method in methods if type(method).penalty is not Method.penalty]
    if not penalized:
        return grads

    def penalties(trained: Leaves) -> jax.Array:
        leaves = {**frozen, **trained}
        values = [method.penalty(added_to(method, leaves)) for method in penalized]
        return sum((value for value in values if value is not None), jnp.zeros(()))

    return jax.tree.map(jnp.add, grads, jax.grad(penalties)(trained))


def _micro_batches(rows: Rows, parts: int) -> Rows:
    """Rows [B, ...] as [parts, B / parts, ...]; strided, so that sharded rows are not moved."""
    return jax.tree.map(
        lambda x: x.reshape(x.shape[0] // parts, parts, *x.shape[1:]).swapaxes(0, 1), rows
    )

"""Optimizers with traced hyper-parameters: one compiled step serves a whole grid of them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from research.common.errors import LARGEST, InputError, check_whole
from research.methods.method import Leaves, Method
from research.methods.shared.patterns import pattern_matches, picked

Objective = Literal["target", "choices"]


@dataclass(frozen=True)
class RateOf:
    """Multiplier of the stage's learning rate for some leaves.

    Attributes:
        leaves: pattern of the leaves' paths.
        factor: the multiplier.
    """

    leaves: str
    factor: float


@dataclass(frozen=True)
class Schedule:
    """Optimizer and schedule of one stage; all static, so that a change compiles a new step.

    Attributes:
        steps: number of optimizer steps.
        batch_size: rows per step.
        accumulate: micro-batches per step, whose gradients are summed.
        optimizer: AdamW or Adafactor.
        warmup: share of the steps over which the learning rate rises linearly: w steps, the share
            rounded to whole steps.
        decay: decay of the learning rate after warmup, to 0 at the step after the last.
        clip: maximum global norm of the gradient; None for no clipping.
        eval_every: steps between evaluations on dev.
        patience: evaluations without improvement until training stops.
        rates: learning-rate multipliers by pattern; the first pattern that matches a leaf counts.
        label_smoothing: share of each target that is spread over all tokens or classes.
        parameter_scale: for Adafactor, whether updates are scaled by the leaf's own RMS.
        factored: for Adafactor, whether the second moments of large matrices are factored.
        dropout: rate of the backbone's own dropout, for families that implement it (T5).
        warmup_from_zero: whether the learning rate of the first step is 0, as in transformers'
            `get_linear_schedule_with_warmup`: 0, 1/w, 2/w, ... of the peak, which step w + 1
            reaches. By default it is 1/w, 2/w, ..., 1, so that every step has an effect and step w
            reaches the peak. Both are the same without warmup.
        objective: what training maximizes: `target`, the likelihood of each token of the right
            answer; or `choices`, the likelihood of the right label or choice against the others of
            its row, by a softmax over the log-likelihoods of all.

    Raises InputError for values out of range.
    """

    steps: int = 100
    batch_size: int = 16
    accumulate: int = 1
    optimizer: Literal["adamw", "adafactor"] = "adamw"
    warmup: float = 0.1
    decay: Literal["constant", "linear", "cosine"] = "linear"
    clip: float | None = 1.0
    eval_every: int = 20
    patience: int = 5
    rates: tuple[RateOf, ...] = ()
    label_smoothing: float = 0.0
    parameter_scale: bool = True
    factored: bool = True
    dropout: float = 0.0
    warmup_from_zero: bool = False
    objective: Objective = "target"

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate", "eval_every", "patience"):
            check_whole(name, getattr(self, name))
        check_whole("batch_size", self.batch_size, most=LARGEST)
        if not 0 <= self.warmup <= 1:
            raise InputError("warmup", self.warmup, "a share of the steps, 0 to 1, is expected")
        for name in ("label_smoothing", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                allowed = "a share from 0 to below 1 is expected"
                raise InputError(name, getattr(self, name), allowed)
        if self.objective == "choices" and self.label_smoothing:
            allowed = "it spreads a target over all tokens, and the objective 'choices' has none"
            raise InputError("label_smoothing", self.label_smoothing, allowed)
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise InputError("clip", self.clip, "a number above 0, or None, is expected")
        for rate in self.rates:
            if not 0 < rate.factor < math.inf:
                raise InputError("rates.factor", rate.factor, "a number above 0 is expected")


def learning_rate_at(schedule: Schedule, peak: ArrayLike, step: ArrayLike) -> jax.Array:
    """The learning rate at `step` [] (from 0): `peak`, which may be traced, times the schedule."""
    warmup_steps, ahead = round(schedule.warmup * schedule.steps), 0
    if not schedule.warmup_from_zero or warmup_steps == 0:
        warmup_steps, ahead = max(1, warmup_steps), 1
    decay_steps = max(1, schedule.steps - warmup_steps + ahead)
    decay = {
        "constant": optax.constant_schedule(1.0),
        "linear": optax.linear_schedule(1.0, 0.0, decay_steps),
        "cosine": optax.cosine_decay_schedule(1.0, decay_steps),
    }[schedule.decay]
    warmup = jnp.minimum(1.0, (step + ahead) / warmup_steps)
    return jnp.asarray(peak) * warmup * decay(jnp.maximum(step + ahead - warmup_steps, 0))


def optimizer(
    schedule: Schedule, learning_rate: ArrayLike, weight_decay: ArrayLike
) -> optax.GradientTransformation:
    """The gradient transformation at one learning rate; its state holds no hyper-parameters.

    AdamW: Loshchilov & Hutter 2019 (arXiv 1711.05101), b1 0.9, b2 0.999, eps 1e-8. Adafactor:
    Shazeer & Stern 2018 (arXiv 1804.04235), factored second moments, no momentum, updates clipped
    at RMS 1 and scaled by the leaf's own RMS. Weight decay applies to leaves of two or more axes,
    times the learning rate.
    """
    scale = optax.scale_by_param_block_rms() if schedule.parameter_scale else optax.identity()
    direction = {
        "adamw": optax.scale_by_adam(),
        "adafactor": optax.chain(
            optax.scale_by_factored_rms(schedule.factored), optax.clip_by_block_rms(1.0), scale
        ),
    }[schedule.optimizer]
    clip = optax.identity() if schedule.clip is None else optax.clip_by_global_norm(schedule.clip)
    return optax.chain(
        clip,
        direction,
        optax.add_decayed_weights(weight_decay, mask=_decays),  # pyright: ignore
        optax.scale(-learning_rate),  # pyright: ignore
    )


def rate_factors(
    schedule: Schedule, methods: Iterable[Method], trained: Iterable[str]
) -> dict[str, ArrayLike]:
    """Learning-rate multipliers by path, of the leaves that have one.

    A leaf's multiplier is the product of the schedule's and that of the method that added the leaf.
    Raises InputError for a pattern of the schedule that matches no trained leaf.
    """
    paths = list(trained)
    for rate in schedule.rates:
        picked((rate.leaves,), paths, "rates.leaves")
    factors: dict[str, ArrayLike] = {}
    for path in paths:
        by_method = [m.rate(path) for m in methods if path.startswith(f"{m.name}:")]
        matching = (rate.factor for rate in schedule.rates if pattern_matches(rate.leaves, path))
        for factor in (*by_method, next(matching, None)):
            if factor is not None:
                factors[path] = factors.get(path, 1.0) * jnp.asarray(factor)
    return factors


def _decays(leaves: Leaves) -> dict[str, bool]:
    return jax.tree.map(lambda leaf: leaf.ndim > 1, leaves)

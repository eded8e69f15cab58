"""Training steps of ours on the batches of a parity test."""

from functools import partial

import jax
import numpy as np

from research.methods.shared.leaves import mask, split
from research.training.optimizer import Schedule
from research.training.step import Hyper, Program, init_state, train_step
from tests.parity.objective import framed

STEPS, DECAY = 20, 0.1


def trained_here(backbone, methods, leaves, batches, rate):
    """(losses, trained leaves)."""
    schedule = Schedule(STEPS, 4, warmup=0.0, decay="constant", clip=None)
    program = Program(backbone.model, schedule)
    traced = tuple(jax.tree.map(np.float32, one) for one in methods)
    hyper = Hyper(traced, np.float32(rate), np.float32(DECAY))
    trained, frozen = split(leaves, mask(methods, leaves))
    state = jax.jit(partial(init_state, program))(jax.random.key(0), trained)
    step, losses = jax.jit(partial(train_step, program)), []
    for rows in batches:
        state, metrics = step(state, frozen, rows, framed(backbone), hyper)
        losses.append(float(metrics.loss))
    return losses, state.trained

"""The start of a stage of a run: its methods' leaves, and the member that it trains."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np

from research.common.errors import InputError
from research.evaluation.scoring import route_of
from research.evaluation.trunk.kept_states import KeptStates
from research.methods.method import Leaves, Method
from research.methods.shared.leaves import add, mask, paths_of, without_head
from research.methods.shared.merging import merged
from research.runs.data import RunData
from research.runs.state import RunState
from research.runtime.clock import spent_on
from research.tasks.encoding.encoded import Encoded
from research.training.member import Member
from research.training.optimizer import Schedule, rate_factors
from research.training.step import Hyper

# States of the training examples are kept if training reads each so many times.
LEAST_PASSES = 2
# Routes on which the labels of a task can be trained against one another.
SEPARATE_LABELS = ("causal", "seq2seq")


@spent_on("initialising")
def start_stage(state: RunState, index: int, data: RunData) -> Member:
    """Adds the leaves of stage `index`; returns the run as a member that trains it on `data`."""
    stage = state.approach.stages[index]
    _add_leaves(state, index, data)
    rate, decay = np.float32(stage.learning_rate), np.float32(stage.weight_decay)
    methods, train = state.training(index), train_rows(state, index, data)
    kept = _kept_states(state, methods, stage.schedule, replace(data, train=train))
    return Member(
        seed=state.run.seeds.order,
        hyper=Hyper(methods, rate, decay),
        leaves=state.leaves,
        train=train,
        dev=data.dev,
        frame=data.frame if kept is None else kept.frame,
        training=len(stage.methods),
        states=None if kept is None else kept.rows,
    )


def train_rows(state: RunState, index: int, data: RunData) -> Encoded:
    """The training rows of stage `index`, with their choices where these are trained on.

    Raises InputError for an objective that the task or the backbone does not have.
    """
    objective, rows = state.approach.stages[index].schedule.objective, data.train
    route, own = route_of(state.context.backbone.model, state.training(index)), rows.choices
    if objective == "target":
        return rows if own is None or route == "head" else replace(rows, choices=None)
    if own is None and route not in SEPARATE_LABELS:
        routes = " and ".join(SEPARATE_LABELS)
        allowed = f"labels compete on the routes {routes}, and this is the route {route}"
        raise InputError("schedule.objective", objective, allowed)
    return replace(rows, choices=data.answerer.choices(rows))


def check_stage(state: RunState, index: int) -> None:
    """Raises InputError for anything that would stop stage `index`, without training it."""
    stage, data = state.approach.stages[index], state.stage_data(index)
    _add_leaves(state, index, data, shapes_only=True)
    train_rows(state, index, data)
    trains = mask(stage.methods, state.leaves)
    rate_factors(stage.schedule, stage.methods, [path for path in state.leaves if trains[path]])
    if stage.merge:
        jax.eval_shape(partial(merged, state.training(index)), state.leaves)


def _add_leaves(state: RunState, index: int, data: RunData, shapes_only: bool = False) -> None:
    """Adds the leaves with which stage `index` starts.

    Args:
        state: the run.
        index: of the stage.
        data: of the stage.
        shapes_only: True to add the shapes of leaves only, for which nothing is compiled.
    """
    stages, new = state.approach.stages, partial(_new_leaves, state, index, data)
    if stages[index].lends_head or (index and stages[index - 1].lends_head):
        state.leaves = without_head(state.leaves)
    state.add_leaves(jax.eval_shape(new) if shapes_only else new())


def _new_leaves(state: RunState, index: int, data: RunData) -> Leaves:
    """The leaves of the methods of stage `index` that are not there yet."""
    key, added = jax.random.PRNGKey(state.run.seeds.initialisation), {}
    words = data.words._replace(table_scale=state.context.backbone.model.table_scale)
    for method in state.approach.stages[index].methods:
        if not paths_of(method, state.leaves):
            added |= add(method, key, state.leaves, words)
    return added


def _kept_states(
    state: RunState, methods: tuple[Method, ...], schedule: Schedule, data: RunData
) -> KeptStates | None:
    """The states of the training examples below the leaves that these methods train.

    None with dropout, with choices, and where few examples are read twice.
    """
    trunk, rows = state.context.trunk, data.train
    few = schedule.steps * schedule.batch_size < LEAST_PASSES * len(rows.length)
    if trunk is None or schedule.dropout or few or rows.choices is not None:
        return None
    prompts, targets = data.prompts(rows), data.answerer.target_width(rows)
    return trunk.of_targets(methods, state.leaves, prompts, targets, training=True)

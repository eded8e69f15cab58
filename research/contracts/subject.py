"""A case to check contracts on: methods on a model, and rows for it."""

from dataclasses import dataclass
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from research.evaluation.batch import (
    EncodedPrompts,
    PromptFrame,
    Rows,
    batch_rows,
    prompt_frame,
)
from research.evaluation.scoring import label_scores, target_logprobs
from research.evaluation.trunk.kept_states import KeptStates
from research.evaluation.trunk.states import DividedLeaves, divided, resumed
from research.evaluation.trunk.store import StateStore
from research.evaluation.trunk.trunk import Trunk
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method, Words
from research.methods.shared.leaves import add, mask, split
from research.models.model import Model
from research.runtime.devices import Devices
from research.tasks.encoding.encoded import Encoded, Labels

WIDTH, SIZE = 12, 4  # of the batch of rows [B, T]
# Two labels of two and three tokens; the second token of one is the third of the other.
LABELS = Labels(np.array([[5, 7, 0], [6, 9, 7]], np.int32), np.array([2, 3], np.int32))
WORDS = Words(("5 7", "6 9 7"), lambda text: [int(word) for word in text.split()])


@dataclass(frozen=True)
class ContractCase:
    """Methods that train together on a model, with rows to check them on.

    Attributes:
        model: the backbone.
        params: its parameters.
        methods: the methods.
    """

    model: Model
    params: Leaves
    methods: tuple[Method, ...]

    @cached_property
    def traced(self) -> tuple[Method, ...]:
        return tuple(jax.tree.map(np.float32, method) for method in self.methods)

    @cached_property
    def start(self) -> Leaves:
        """All leaves before the first step."""
        leaves = dict(self.params)
        for method in self.methods:
            leaves |= add(method, jax.random.PRNGKey(0), leaves, WORDS)
        return leaves

    @cached_property
    def moved(self) -> Leaves:
        """All leaves, with noise on those that the methods added, so that all of them matter."""
        draw = np.random.default_rng(1)
        added = {p: leaf for p, leaf in self.start.items() if p not in self.params}
        noise = {p: draw.normal(size=leaf.shape).astype(np.float32) for p, leaf in added.items()}
        return {**self.start, **{p: leaf + 0.1 * noise[p] for p, leaf in added.items()}}

    @cached_property
    def encoded(self) -> Encoded:
        """Prompts of unequal length and the target that follows each."""
        draw = np.random.default_rng(0)
        vocabulary = self.params["embed/embedding"].shape[0]
        tokens = draw.integers(10, vocabulary, (SIZE, WIDTH)).astype(np.int32)
        start = draw.integers(3, WIDTH - 3, SIZE).astype(np.int32)
        label = np.arange(SIZE, dtype=np.int32) % 2
        length = start + LABELS.length[label]
        for row in range(SIZE):
            target = LABELS.tokens[label[row], : LABELS.length[label[row]]]
            tokens[row, start[row] : length[row]] = target
        return Encoded(tokens, length.astype(np.int32), start, label, cut=0)

    def batch(self, width: int = WIDTH) -> Rows:
        """All rows, padded to `width`."""
        return batch_rows(self.encoded, np.arange(SIZE), SIZE, width, LABELS.tokens.shape[1])

    @cached_property
    def frame(self) -> PromptFrame:
        causal = Adapted(self.model, self.methods, self.start).route == "causal"
        return prompt_frame([3, 4, 8], suffix_ids=() if causal else (5,), mask=4)

    def scores(self, leaves: Leaves, rows: Rows | None = None, plain: bool = False) -> NDArray:
        """Label scores [B, C] under `leaves`, with the methods, or without them if `plain`."""
        methods = tuple(m for m in self.traced if m.is_head or not plain)
        batch = self.batch() if rows is None else rows
        return np.asarray(_scores(self.model, methods, leaves, batch, self.frame))

    @cached_property
    def gradients(self) -> Leaves:
        """The gradient of the loss for all leaves, at `moved`."""
        return self.gradients_of(self.moved, {})

    def gradients_of(self, trained: Leaves, frozen: Leaves) -> Leaves:
        """The gradient of the loss for the leaves `trained`, with the others constant."""
        args = (self.traced, trained, frozen, self.batch(), self.frame)
        return _gradients(self.model, *args)

    @cached_property
    def kept_states(self) -> tuple[KeptStates | None, KeptStates | None]:
        """States from which (label scores, target log-probabilities) at `moved` are computed."""
        store = StateStore(None, 2**30)
        trunk = Trunk(
            self.model, jnp.float32, Devices(count=1), self.moved, "", store, least_flops=0.0
        )
        methods, prompts = self.traced, EncodedPrompts(self.encoded, self.frame)
        width = LABELS.tokens.shape[1]
        labels = trunk.of_labels(methods, self.moved, prompts, LABELS)
        return labels, trunk.of_targets(methods, self.moved, prompts, width)

    def resumed_scores(self, rows: Rows, frame: PromptFrame) -> NDArray:
        """Label scores at `moved` from the states of rows and frame."""
        leaves = divided(self.methods, self.moved)
        return np.asarray(_resumed_scores(self.model, self.traced, leaves, rows, frame))

    def resumed_gradients(self, rows: Rows, frame: PromptFrame) -> Leaves:
        """The gradient of the loss for the trained leaves from the states of rows and frame."""
        trained, frozen = split(self.moved, mask(self.methods, self.moved))
        return _gradients(self.model, self.traced, trained, frozen, rows, frame)


# Compiling takes most of the time: programs that run a few times need no optimized code.
QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@partial(jax.jit, static_argnums=0, compiler_options=QUICKLY)
def _scores(model: Model, methods, leaves: Leaves, rows: Rows, frame: PromptFrame) -> jax.Array:
    return label_scores(Adapted(model, methods, leaves), rows, frame, LABELS)


@partial(jax.jit, static_argnums=0, compiler_options=QUICKLY)
def _resumed_scores(
    model: Model, methods, leaves: DividedLeaves, rows: Rows, frame: PromptFrame
) -> jax.Array:
    def scores(unknown, weights: Leaves, shared: tuple[PromptFrame, Labels], rows: Rows):
        return label_scores(_adapted(model, methods, weights, unknown), rows, *shared)

    return resumed(scores, leaves.unknown, leaves.weights, (frame, LABELS), rows)


@partial(jax.jit, static_argnums=0, compiler_options=QUICKLY)
def _gradients(model: Model, methods, trained: Leaves, frozen: Leaves, rows, frame) -> Leaves:
    def scores(unknown, weights: Leaves, shared: tuple[PromptFrame], rows: Rows):
        return target_logprobs(_adapted(model, methods, weights, unknown), rows, *shared)

    def loss(trained: Leaves) -> jax.Array:
        added = {path: leaf for path, leaf in frozen.items() if ":" in path}
        weights = {path: leaf for path, leaf in frozen.items() if ":" not in path}
        logprobs, counted = resumed(scores, {**added, **trained}, weights, (frame,), rows)
        return -jnp.where(counted, logprobs, 0.0).sum()

    return jax.grad(loss)(trained)


def _adapted(model: Model, methods, weights: Leaves, unknown: Leaves) -> Adapted:
    return Adapted(model, methods, {**weights, **unknown}, trained=frozenset(unknown))

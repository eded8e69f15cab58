"""The frozen trunk of one backbone: where it ends for a method, and its states of rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np

from research.common.hashing import canonical, sha256
from research.evaluation.batch import (
    EncodedPrompts,
    Rows,
    batch_rows,
)
from research.evaluation.length_batches import BatchShapes
from research.evaluation.scoring import label_scores, target_logprobs
from research.evaluation.trunk.boundary import (
    LEAST_FLOPS,
    LEAST_SHARE,
    Boundary,
    find_boundary,
    is_small,
    shapes_of,
)
from research.evaluation.trunk.kept_states import KeptStates, RowReport, StateLookup
from research.evaluation.trunk.states import divided
from research.evaluation.trunk.store import StateStore
from research.evaluation.widths import large_batches
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method
from research.models.model import Model
from research.runtime.clock import spent_on
from research.runtime.devices import Devices
from research.runtime.memo import Memo
from research.tasks.encoding.encoded import Labels


@dataclass(frozen=True, eq=False)
class Trunk:
    """Computes and keeps the states of rows below the trained leaves.

    Attributes:
        model: the backbone's architecture.
        dtype: the precision of the computation.
        devices: the devices over which the rows of a batch are split.
        params: the leaves of the backbone. No states of other leaves are kept.
        checksum: of the backbone.
        store: the storage of states.
        least_flops: FLOPs for a token that a trunk takes if its states are kept.
        least_share: its share of the FLOPs of the forward pass if its states are kept.
    """

    model: Model
    dtype: Any
    devices: Devices
    params: Leaves
    checksum: str
    store: StateStore
    least_flops: float = LEAST_FLOPS
    least_share: float = LEAST_SHARE
    _boundaries: Memo = field(default_factory=Memo)

    def of_targets(
        self,
        methods: Sequence[Method],
        leaves: Leaves,
        prompts: EncodedPrompts,
        targets: int,
        training: bool = False,
    ) -> KeptStates | None:
        """States from which `target_logprobs` is computed; None where no trunk is kept.

        Args:
            methods: the methods at work.
            leaves: of the adapted backbone.
            prompts: the rows.
            targets: width of the targets.
            training: whether it is computed with a random key.
        """
        rows, frame = prompts.rows, prompts.frame._replace(states=())
        tokens = rows.prompt_length if len(frame.suffix_ids) else rows.length
        function = self._training_targets if training else self._targets
        return self._states(function, methods, leaves, prompts, (frame,), tokens, targets)

    def of_labels(
        self,
        methods: Sequence[Method],
        leaves: Leaves,
        prompts: EncodedPrompts,
        labels: Labels,
        report: RowReport = lambda done: None,
    ) -> KeptStates | None:
        """States from which `label_scores` is computed; None where no trunk is kept.

        Args:
            methods: the methods at work.
            leaves: of the adapted backbone.
            prompts: the rows.
            labels: the labels.
            report: called after each batch of states that are computed.
        """
        frame, width = prompts.frame._replace(states=()), labels.tokens.shape[1]
        shared, tokens = (frame, labels), prompts.rows.prompt_length
        return self._states(self._labels, methods, leaves, prompts, shared, tokens, width, report)

    def _targets(self, unknown, weights, shared, rows: Rows):
        """`target_logprobs` by its arguments as `Arguments` has them."""
        return target_logprobs(self._adapted(unknown, weights), rows, *shared)

    def _training_targets(self, unknown, weights, shared, rows: Rows):
        """As `_targets` with a random key, with which methods may trace other equations."""
        [frame] = shared
        return target_logprobs(self._adapted(unknown, weights), rows, frame, unknown[2])

    def _labels(self, unknown, weights, shared, rows: Rows):
        """`label_scores` by its arguments as `Arguments` has them."""
        return label_scores(self._adapted(unknown, weights), rows, *shared)

    def _adapted(self, unknown, weights: Leaves) -> Adapted:
        added, methods, _ = unknown
        leaves, remat = {**weights, **added}, self.devices.remat
        trained = frozenset(added)
        return Adapted(self.model, methods, leaves, self.dtype, remat=remat, trained=trained)

    @spent_on("frozen layers")
    def _states(
        self,
        function: Callable[..., Any],
        methods: Sequence[Method],
        leaves: Leaves,
        prompts: EncodedPrompts,
        shared: tuple[Any, ...],
        tokens: np.ndarray,
        targets: int,
        report: RowReport = lambda done: None,
    ) -> KeptStates | None:
        unknown, weights = divided(methods, leaves)
        if not unknown or not weights or not len(prompts.rows.length):
            return None
        more = targets + sum(np.size(x) for x in jax.tree.leaves(shared[1:]))
        if is_small(weights, more, self.least_flops):
            return None
        example = batch_rows(prompts.rows, np.array([0]), 1, 1, targets)
        changing = (unknown, tuple(methods), jax.random.PRNGKey(0))
        boundary = self._boundary(function, changing, weights, shared, example)
        if boundary is None or any(
            leaves[path] is not self.params[path] for path in boundary.reads
        ):
            return None
        if boundary.bytes(tokens) > self.store.most_bytes:
            self.store.notice("states below the trained layers need more memory than trunk_gib")
            return None
        lookup = StateLookup(
            store=self.store,
            boundary=boundary,
            common=self._key(boundary, shared),
            shapes=self._shapes,
            mesh=self.devices.mesh(),
        )
        return lookup.states(weights, shared, prompts, tokens, targets, report)

    def _key(self, boundary: Boundary, shared: tuple[Any, ...]) -> str:
        """The key of what the states of all rows depend on."""
        around = [np.asarray(array).tobytes().hex() for array in jax.tree.leaves(shared)]
        described = [boundary.key, self.checksum, str(np.dtype(self.dtype)), *around]
        if self.model.scan_layers:  # places in the function differ
            described.append("scan")
        return sha256(canonical(described).encode())

    @cached_property
    def _shapes(self) -> BatchShapes:
        """The batches in which states are computed."""
        return large_batches(self.params)

    def _boundary(
        self,
        function: Callable[..., Any],
        unknown: tuple[Leaves, tuple[Method, ...], jax.Array],
        weights: Leaves,
        shared: tuple[Any, ...],
        example: Rows,
    ) -> Boundary | None:
        """Where the trunk ends; None where no states are kept."""
        shapes = shapes_of((unknown, weights, shared))
        leaves, structure = jax.tree.flatten(shapes)
        sizes = tuple((x.shape, str(x.dtype)) for x in leaves)
        fixed = (example.target.shape[1], str(example.label.dtype))
        key = (function.__name__, structure, sizes, fixed)
        mesh, least = self.devices.mesh(), (self.least_flops, self.least_share)
        find = partial(find_boundary, function, *shapes, example, mesh, least)
        return self._boundaries(key, find)

"""The frozen trunk of one backbone: where it ends for a method, and its states of rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from research.common.hashing import canonical, sha256
from research.evaluation.batch import (
    EncodedPrompts,
    PromptFrame,
    Rows,
    batch_rows,
    batch_size_at,
)
from research.evaluation.scoring import label_scores, target_logprobs
from research.evaluation.trunk.boundary import (
    LEAST_FLOPS,
    LEAST_SHARE,
    Boundary,
    find_boundary,
    shapes_of,
)
from research.evaluation.trunk.row_states import RowStates
from research.evaluation.trunk.states import divided
from research.evaluation.trunk.store import KeptState, StateStore
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method
from research.models.model import Model
from research.runtime.clock import spent_on
from research.runtime.devices import Devices, place_leaves
from research.runtime.executable import execution_clock
from research.runtime.memo import Memo
from research.tasks.encoding.encoded import Labels

RowReport = Callable[[int], None]  # of the rows whose states are computed

BATCH = 16
NARROWEST = 32


class KeptStates(NamedTuple):
    """The states of a split.

    Attributes:
        frame: the frame with the values that all rows share.
        rows: the values of the rows.
        seconds: that computing those took which were not kept.
    """

    frame: PromptFrame
    rows: RowStates
    seconds: float


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
        return Adapted(self.model, methods, leaves, self.dtype, remat=remat)

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
        around = [np.asarray(array).tobytes().hex() for array in jax.tree.leaves(shared)]
        described = [boundary.key, self.checksum, str(np.dtype(self.dtype)), *around]
        common = sha256(canonical(described).encode())
        texts = [
            row[:count].tobytes() + before.tobytes()
            for row, count, before in zip(
                prompts.rows.tokens, tokens, prompts.rows.prompt_length, strict=True
            )
        ]
        keys = [sha256(common.encode() + text) for text in texts]
        place = dict(zip(keys, range(len(keys)), strict=True))
        states, computed = self.store.get({common, *keys}), 0.0
        if len(states) <= len(place):
            with self.store.lock(common):
                states |= self.store.get({common, *keys})
                missing = [place[key] for key in place if key not in states]
                if common not in states:
                    missing = missing or [0]
                devices = self.devices.mesh().size
                for indices, batch in _batches(prompts, tokens, missing, targets, devices):
                    found = self._computed(boundary, weights, shared, batch, tokens[indices])
                    new = dict(zip((common, *(keys[i] for i in indices)), found, strict=True))
                    self.store.add(new)
                    states |= new
                    computed += sum(state.seconds for state in new.values())
                    report(sum(key in states for key in keys))
        rows = [states[key] for key in keys]
        return KeptStates(
            prompts.frame._replace(states=states[common].values),
            RowStates(
                boundary.cut,
                boundary.shapes,
                tuple(state.values for state in rows),
                np.array([state.seconds for state in rows]),
                boundary.flops_by_width,
                boundary.shared_flops,
            ),
            computed,
        )

    def _computed(
        self,
        boundary: Boundary,
        weights: Leaves,
        shared: tuple[Any, ...],
        batch: Rows,
        tokens: np.ndarray,
    ) -> Iterator[KeptState]:
        """The states that all rows share, then those of each row."""
        placed = place_leaves(weights, self.devices.mesh())
        begun = execution_clock()
        of_shared, of_rows = boundary.executable(placed, shared, batch)
        values = [
            np.asarray(value, shape.dtype)
            for value, shape in zip(of_rows, boundary.shapes, strict=True)
        ]
        seconds = (execution_clock() - begun) / len(tokens)
        yield KeptState(tuple(np.asarray(value) for value in of_shared), 0.0)
        by_row = [
            value.reshape(len(batch.length), shape.repeats, *value.shape[1:])
            for value, shape in zip(values, boundary.shapes, strict=True)
        ]
        for row, count in enumerate(tokens):
            cut = [
                value[row][tuple(map(slice, shape.of_row(int(count))))].copy()
                for value, shape in zip(by_row, boundary.shapes, strict=True)
            ]
            yield KeptState(tuple(cut), seconds)

    def _boundary(
        self,
        function: Callable[..., Any],
        unknown: tuple[Leaves, tuple[Method, ...], jax.Array],
        weights: Leaves,
        shared: tuple[Any, ...],
        example: Rows,
    ) -> Boundary | None:
        """Where the trunk ends; None where it is not is_large keeping, or not made of rows."""
        shapes = shapes_of((unknown, weights, shared))
        leaves, structure = jax.tree.flatten(shapes)
        sizes = tuple((x.shape, str(x.dtype)) for x in leaves)
        fixed = (example.target.shape[1], str(example.label.dtype))
        key = (function.__name__, structure, sizes, fixed)
        mesh, least = self.devices.mesh(), (self.least_flops, self.least_share)
        find = partial(find_boundary, function, *shapes, example, mesh, least)
        return self._boundaries(key, find)


def _batches(
    prompts: EncodedPrompts, tokens: np.ndarray, missing: Sequence[int], targets: int, devices: int
) -> Iterator[tuple[np.ndarray, Rows]]:
    """(indices, batch) of rows of equal padded width.

    The shape of a row's batch depends on the row alone, not on which other rows are missing, so
    that its states have the same bits in whatever order runs ask for them.
    """
    suffix, most = len(prompts.frame.suffix_ids), -(-BATCH // devices) * devices
    widths = {i: _width(int(tokens[i]) + suffix) for i in missing}
    for width in sorted(set(widths.values())):
        size = batch_size_at(width, most, devices)
        indices = np.array([i for i in missing if widths[i] == width])
        for begin in range(0, len(indices), size):
            some = indices[begin : begin + size]
            yield some, batch_rows(prompts.rows, some, size, width - suffix, targets)


def _width(length: int) -> int:
    """The padded width: a power of two, so that the deep trunk is compiled for few widths."""
    return max(NARROWEST, 1 << (length - 1).bit_length())

"""The boundary between the frozen trunk and the layers above it."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.common.hashing import canonical
from research.evaluation.batch import Rows
from research.evaluation.trunk.row_states import StateShape, state_shape
from research.evaluation.trunk.traced import Arguments, Cut, traced
from research.methods.method import Leaves
from research.runtime.executable import Executable

# A trunk is kept if it takes this many FLOPs for a token, those of about 5M parameters. Below, a
# step takes milliseconds, and compiling the trunk's own program takes longer than it saves.
LEAST_FLOPS = 1e7
# And if it has this share of the FLOPs of the forward pass.
LEAST_SHARE = 0.1
# (rows, tokens of a row) of two batches, by whose shapes the axes of states are found.
TRIED = ((2, 16), (3, 24))


class Boundary(NamedTuple):
    """Where the trunk of a method ends.

    Attributes:
        key: what its states depend on beside the prompt and the text.
        cut: where the values are in the function.
        shapes: of the values of a row.
        reads: paths of the backbone's leaves that the trunk reads.
        executable: computes (values that all rows share, values of rows).
        flops_by_width: see `RowStates`.
        shared_flops: see `RowStates`.
    """

    key: str
    cut: Cut
    shapes: tuple[StateShape, ...]
    reads: frozenset[str]
    executable: Executable
    flops_by_width: tuple[float, float]
    shared_flops: float

    def bytes(self, tokens: np.ndarray) -> int:
        """Bytes of the states of rows of these numbers of tokens."""
        sizes = [
            math.prod(shape.of_row(int(count) + 1)) * shape.dtype.itemsize
            for count in tokens
            for shape in self.shapes
        ]
        return sum(sizes)


def find_boundary(
    function: Callable[..., Any],
    unknown: Any,
    weights: Leaves,
    shared: tuple[Any, ...],
    example: Rows,
    mesh: Mesh,
    least: tuple[float, float],
) -> Boundary | None:
    """Where the trunk ends; None where it is too small to keep, or its states are not of rows.

    Args:
        function: of (unknown, weights, shared, rows).
        unknown: see `Arguments`; this and the next two are shapes.
        weights: see `Arguments`.
        shared: see `Arguments`.
        example: a row.
        mesh: the devices over which the rows of a batch are split.
        least: FLOPs for a token, and share of the FLOPs of the function, that a trunk has.
    """
    batches = [shapes_of(_resized(example, *size)) for size in TRIED]
    arguments = [Arguments(unknown, weights, shared, batch) for batch in batches]
    small, large = (traced(function, each) for each in arguments)
    kept = small.boundary()
    both = zip(small.values(kept), large.values(kept), strict=True)
    avals: list[Any] = [(a.aval, b.aval) for a, b in both]
    of_rows = [place for place, (a, b) in zip(kept, avals, strict=True) if a.shape != b.shape]
    of_shared = tuple(place for place in kept if place not in of_rows)
    cut = Cut(len(small.frozen), of_shared, tuple(of_rows))
    state_shapes = tuple(
        state_shape(a.shape, b.shape, TRIED, a.dtype) for a, b in avals if a.shape != b.shape
    )
    flops, shared_flops = small.flops_below(cut)
    is_large = flops >= max(least[0] * math.prod(TRIED[0]), least[1] * small.flops)
    if not is_large or None in state_shapes or not state_shapes:
        return None
    read = zip(sorted(weights), small.weights_below(cut), strict=True)
    reads = [path for path, used in read if used]

    def below(weights: Leaves, shared: tuple[Any, ...], rows: Rows):
        values = traced(function, Arguments(unknown, weights, shared, rows)).below(cut)
        return values[: len(cut.of_shared)], values[len(cut.of_shared) :]

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Boundary(
        canonical([function.__name__, reads, str(cut), list(map(str, state_shapes))]),
        cut,
        state_shapes,  # pyright: ignore
        frozenset(reads),
        Executable(jax.jit(below, in_shardings=(None, None, by_row))),
        _polynomial(flops, large.flops_below(cut)[0]),
        shared_flops,
    )


def is_small(weights: Leaves, more: int, least_flops: float) -> bool:
    """Whether frozen leaves take too few FLOPs for a trunk, wherever it ends.

    To find its end, the computation is traced twice, which takes 0.2 s. A weight takes two FLOPs
    for each position; attention, norms and activations take less than all weights.

    Args:
        weights: the frozen leaves of the backbone.
        more: number of positions of a row beside those of its text.
        least_flops: FLOPs for a token that a trunk takes.
    """
    _, width = TRIED[0]
    weight_flops = 2.0 * sum(math.prod(np.shape(leaf)) for leaf in weights.values())
    return 2 * weight_flops * (width + 1 + more) < least_flops * width


def shapes_of(tree: Any) -> Any:
    """The tree with shapes in place of arrays."""
    return jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(np.shape(x), jax.dtypes.result_type(x)), tree
    )


def _resized(rows: Rows, size: int, width: int) -> Rows:
    """Rows like the first, as many and as long as given."""
    repeated = jax.tree.map(lambda x: np.repeat(x[:1], size, axis=0), rows)
    return repeated._replace(tokens=np.zeros((size, width), rows.tokens.dtype))


def _polynomial(small: float, large: float) -> tuple[float, float]:
    """(a, b) such that a row of W tokens takes a W + b W^2 FLOPs, from those of `TRIED`."""
    (rows, width), (more_rows, more_width) = TRIED
    each, more = small / rows / width, large / more_rows / more_width
    squared = (more - each) / (more_width - width)
    return each - squared * width, squared

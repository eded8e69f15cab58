"""States of the frozen trunk in a batch, and functions that go on from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax

from research.evaluation.batch import Rows
from research.evaluation.trunk.traced import Arguments, Cut, traced
from research.methods.method import Array, Leaves, Method
from research.methods.shared.leaves import mask


class DividedLeaves(NamedTuple):
    """Leaves of an adapted backbone.

    Attributes:
        unknown: those that train, and all that methods added.
        weights: the frozen leaves of the backbone.
    """

    unknown: Leaves
    weights: Leaves


def divided(methods: Sequence[Method], leaves: Leaves) -> DividedLeaves:
    """The leaves, divided by what the methods train."""
    trained = mask(methods, leaves)
    unknown = {path: x for path, x in leaves.items() if trained[path] or ":" in path}
    return DividedLeaves(unknown, {p: x for p, x in leaves.items() if p not in unknown})


@partial(jax.tree_util.register_dataclass, data_fields=["values"], meta_fields=["cut"])
@dataclass(frozen=True)
class States:
    """Kept values of the rows of a batch.

    Attributes:
        values: [B, R, ...] of each value of `cut.of_rows`.
        cut: where they are in the function.
    """

    values: tuple[Array, ...]
    cut: Cut


def resumed(
    function: Callable[..., Any], unknown: Any, weights: Any, shared: Any, rows: Rows
) -> Any:
    """`function(unknown, weights, shared, rows)`, from the states of the rows if they have any.

    Args:
        function: to compute.
        unknown: see `Arguments`.
        weights: see `Arguments`.
        shared: the frame, then other arrays that all rows share.
        rows: the batch.
    """
    frame, *others = shared
    shared = (frame._replace(states=()), *others)
    arguments = Arguments(unknown, weights, shared, rows._replace(states=None))
    if rows.states is None:
        return function(*arguments)
    whole, cut = traced(function, arguments), rows.states.cut
    if len(whole.frozen) != cut.equations:  # it was traced with other settings
        return function(*arguments)
    values: list[Any] = [*frame.states, *(x.reshape(-1, *x.shape[2:]) for x in rows.states.values)]
    avals: list[Any] = [v.aval for v in whole.values((*cut.of_shared, *cut.of_rows))]
    if [x.shape for x in values] != [aval.shape for aval in avals]:
        return function(*arguments)
    return whole.above(cut, [x.astype(a.dtype) for x, a in zip(values, avals, strict=True)])

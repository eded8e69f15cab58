"""A traced function, divided into the part below the trained leaves and the part above them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, NamedTuple

import jax
from jax.extend import core

from research.evaluation.trunk.equations import (
    evaluate,
    flops_to_compute,
    inlined,
    needed,
    product_flops,
)

# An intermediate value that costs less than this share of the function's FLOPs is not kept: it is
# computed again from the values that are. So only the hidden states at the boundary are kept, and
# not their norms and projections as well.
CHEAP = 0.02


class Arguments(NamedTuple):
    """Arguments of a function that can be divided.

    Attributes:
        unknown: what training changes: trained leaves, random keys, hyper-parameters.
        weights: frozen leaves of the backbone.
        shared: arrays that all rows of a batch share.
        rows: arrays whose first axis is that of the rows.
    """

    unknown: Any
    weights: Any
    shared: Any
    rows: Any


class Needs(IntFlag):
    """The arguments that a value depends on."""

    NOTHING = 0
    UNKNOWN = 1
    WEIGHTS = 2
    SHARED = 4
    ROWS = 8


class Cut(NamedTuple):
    """Which values of a function are kept, whatever the shapes of its arguments.

    A value is (an index into the equations of the frozen part, an index into their results).

    Attributes:
        equations: number of equations of the frozen part.
        of_shared: the values that all rows of a batch share.
        of_rows: the values of rows.
    """

    equations: int
    of_shared: tuple[tuple[int, int], ...]
    of_rows: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Traced:
    """A traced function, and the part of it that no trained leaf changes.

    Attributes:
        closed: the function.
        result: structure of its result.
        equations: equations that its result needs.
        needs: the arguments that each value depends on.
        frozen: the equations whose results depend on weights and on the batch, and on nothing
            unknown.
        arguments: the arguments, or their shapes.
    """

    closed: core.ClosedJaxpr
    result: Any
    equations: list[core.JaxprEqn]
    needs: dict[core.Var, Needs]
    frozen: list[core.JaxprEqn]
    arguments: Arguments

    def values(self, places: Iterable[tuple[int, int]]) -> list[core.Var]:
        """The values at these places of the frozen part."""
        return [self.frozen[equation].outvars[index] for equation, index in places]

    def boundary(self) -> list[tuple[int, int]]:
        """The places of the values from which the rest of the function is computed."""
        total, kept = self.flops, []
        maker = {v: equation for equation in self.frozen for v in equation.outvars}
        places = {v: (i, j) for i, e in enumerate(self.frozen) for j, v in enumerate(e.outvars)}
        for place in self._read_above():
            [value] = self.values([place])
            if flops_to_compute(value, maker, self.values(kept)) > CHEAP * total:
                kept.append(places[self._unflattened(value, maker)])
        return kept

    def _unflattened(self, value: core.Var, maker: dict[core.Var, core.JaxprEqn]) -> core.Var:
        """The value before a reshape to fewer axes.

        A method may see a layer's input as [B * T, D]; states need an axis of rows.
        """
        equation: Any = maker[value]
        if equation.primitive.name == "reshape":
            [earlier] = equation.invars
            if earlier in maker and earlier.aval.ndim > equation.outvars[0].aval.ndim:
                return earlier
        return value

    def _read_above(self) -> list[tuple[int, int]]:
        """Places of the frozen values that the trained part reads, in order."""
        above = [e.invars for e in self.equations if self.needs[e.outvars[0]] & Needs.UNKNOWN]
        read = {v for values in above for v in values if isinstance(v, core.Var)}
        return [
            (i, j)
            for i, equation in enumerate(self.frozen)
            for j, v in enumerate(equation.outvars)
            if v in read
        ]

    def below(self, cut: Cut) -> list[jax.Array]:
        """The kept values, for arguments whose `unknown` is not read."""
        kept = self.values((*cut.of_shared, *cut.of_rows))
        return evaluate(self.closed, jax.tree.leaves(self.arguments), {}, kept)

    def above(self, cut: Cut, values: Sequence[Any]) -> Any:
        """The function's result from the kept values."""
        values_kept = dict(zip(self.values((*cut.of_shared, *cut.of_rows)), values, strict=True))
        inputs, outputs = jax.tree.leaves(self.arguments), self.closed.jaxpr.outvars
        return jax.tree.unflatten(self.result, evaluate(self.closed, inputs, values_kept, outputs))

    def weights_below(self, cut: Cut) -> list[bool]:
        """For each leaf of `arguments.weights`, in order: whether the part below reads it."""
        below = needed(self.equations, self.values((*cut.of_shared, *cut.of_rows)))
        read = {v for e in below for v in e.invars if isinstance(v, core.Var)}
        before = len(jax.tree.leaves(self.arguments.unknown))
        count = len(jax.tree.leaves(self.arguments.weights))
        return [v in read for v in self.closed.jaxpr.invars[before : before + count]]

    def flops_below(self, cut: Cut) -> tuple[float, float]:
        """FLOPs of the matrix products below, (of rows, of what all rows share)."""
        below = needed(self.equations, self.values((*cut.of_shared, *cut.of_rows)))
        of_rows = [e for e in below if self.needs[e.outvars[0]] & Needs.ROWS]
        flops = sum(map(product_flops, of_rows))
        return flops, sum(map(product_flops, below)) - flops

    @property
    def flops(self) -> float:
        """FLOPs of the matrix products of the function."""
        return sum(map(product_flops, self.equations))


def traced(function: Callable[..., Any], arguments: Arguments) -> Traced:
    """Traces `function(*arguments)`; arguments may be shapes."""
    closed, result = jax.make_jaxpr(function, return_shape=True)(*arguments)
    closed = core.ClosedJaxpr(inlined(closed.jaxpr), closed.consts)
    equations = needed(closed.jaxpr.eqns, closed.jaxpr.outvars)
    needs = _needs(closed.jaxpr, equations, arguments)
    frozen = [e for e in equations if _is_kept(needs[e.outvars[0]])]
    structure = jax.tree.structure(result)
    return Traced(closed, structure, equations, needs, frozen, arguments)


def _is_kept(needs: Needs) -> bool:
    """Whether a value depends on weights and on the batch, and on nothing unknown.

    Values of weights alone or of the batch alone cost nothing.
    """
    batch = needs & (Needs.SHARED | Needs.ROWS)
    return bool(needs & Needs.WEIGHTS and batch) and not needs & Needs.UNKNOWN


def _needs(
    jaxpr: core.Jaxpr, equations: Sequence[core.JaxprEqn], arguments: Arguments
) -> dict[core.Var, Needs]:
    """The arguments that each value depends on."""
    flags = (Needs.UNKNOWN, Needs.WEIGHTS, Needs.SHARED, Needs.ROWS)
    of_inputs = [
        flag for flag, part in zip(flags, arguments, strict=True) for _ in jax.tree.leaves(part)
    ]
    needs = dict.fromkeys(jaxpr.constvars, Needs.NOTHING)
    needs |= zip(jaxpr.invars, of_inputs, strict=True)
    for equation in equations:
        whole = Needs.NOTHING
        for value in equation.invars:
            if isinstance(value, core.Var):
                whole |= needs[value]
        needs |= dict.fromkeys(equation.outvars, whole)
    return needs

"""Equations of a traced function: which ones an output needs, what they cost, and their values."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from jax.extend import core


def inlined(jaxpr: core.Jaxpr) -> core.Jaxpr:
    """The function with the equations of its jitted functions in their place.

    A whole layer may be one jitted function, of which some leaves train.
    """
    equations: list[core.JaxprEqn] = []
    new_variable = core.gensym()

    def add(inner: core.Jaxpr, names: dict[core.Var, Any]) -> list[Any]:
        """Adds the equations of a function whose inputs have these names; returns its outputs."""
        for equation in inner.eqns:
            inputs = [names[v] if isinstance(v, core.Var) else v for v in equation.invars]
            called = equation.params.get("jaxpr") if equation.primitive.name == "jit" else None
            if called is not None and not called.consts:
                outputs = add(called.jaxpr, dict(zip(called.jaxpr.invars, inputs, strict=True)))
            else:
                outputs = [
                    v if isinstance(v, core.DropVar) else new_variable(v.aval)
                    for v in equation.outvars
                ]
                equations.append(equation.replace(invars=inputs, outvars=outputs))
            names.update(zip(equation.outvars, outputs, strict=True))
        return [names[v] if isinstance(v, core.Var) else v for v in inner.outvars]

    known = [*jaxpr.constvars, *jaxpr.invars]
    outputs = add(jaxpr, dict(zip(known, known, strict=True)))
    return jaxpr.replace(eqns=equations, outvars=outputs)


def needed(equations: Sequence[core.JaxprEqn], outputs: Iterable[Any]) -> list[core.JaxprEqn]:
    """The equations that the outputs need, in order."""
    wanted, live = {v for v in outputs if isinstance(v, core.Var)}, []
    for equation in reversed(equations):
        if wanted.intersection(equation.outvars):
            live.append(equation)
            wanted.update(v for v in equation.invars if isinstance(v, core.Var))
    return live[::-1]


def evaluate(
    closed: core.ClosedJaxpr,
    inputs: Sequence[Any],
    values_kept: dict[Any, Any],
    outputs: Sequence[Any],
) -> list[Any]:
    """The outputs, computed by the equations that they need beside the kept values."""
    jaxpr, values = closed.jaxpr, dict(values_kept)
    makers = [e for e in jaxpr.eqns if not values.keys() & set(e.outvars)]
    equations = needed(makers, outputs)
    read = {v for v in outputs if isinstance(v, core.Var)}
    read.update(v for e in equations for v in e.invars if isinstance(v, core.Var))
    values |= {v: x for v, x in zip(jaxpr.invars, inputs, strict=True) if v in read}
    part = jaxpr.replace(
        invars=list(values),
        outvars=list(outputs),
        eqns=equations,
        debug_info=jaxpr.debug_info.with_unknown_names(),
    )
    return core.jaxpr_as_fun(core.ClosedJaxpr(part, closed.consts))(*values.values())


def product_flops(equation: core.JaxprEqn) -> float:
    """FLOPs of the matrix products of an equation, those of its inner functions included."""
    if equation.primitive.name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape: Any = equation.invars[0].aval.shape  # pyright: ignore
        width = math.prod(shape[axis] for axis in contracted)
        return 2.0 * width * math.prod(equation.outvars[0].aval.shape)  # pyright: ignore
    repeats = equation.params.get("length", 1) if equation.primitive.name == "scan" else 1
    inner = core.jaxprs_in_params(equation.params)
    return repeats * sum(product_flops(e) for jaxpr in inner for e in jaxpr.eqns)


def flops_to_compute(
    value: core.Var, maker: dict[core.Var, core.JaxprEqn], kept: Sequence[Any]
) -> float:
    """FLOPs of computing a value from the arguments and the values `kept`."""
    waiting, seen, flops = [value], set(kept), 0.0
    while waiting:
        current = waiting.pop()
        equation = maker.get(current)
        if current in seen or equation is None:
            continue
        seen.update(equation.outvars)
        flops += product_flops(equation)
        waiting += [v for v in equation.invars if isinstance(v, core.Var)]
    return flops

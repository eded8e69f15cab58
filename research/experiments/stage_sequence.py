"""Training stages one after the other: their checks, and the methods at work between them."""

from collections.abc import Sequence

from research.common.errors import InputError
from research.experiments.stage import Stage
from research.methods.method import Method


def check_stages(stages: Sequence[Stage]) -> None:
    """Raises InputError for a method that trains after it was merged, and for misplaced heads."""
    _check_merges(stages)
    _check_heads(stages)


def methods_after(stages: Sequence[Stage]) -> tuple[Method, ...]:
    """The methods at work after these stages: each as last trained.

    Merged methods and heads for other tasks are left out.
    """
    methods: tuple[Method, ...] = ()
    for stage in stages:
        methods = methods_during(stage, methods)
        if stage.merge:
            methods = tuple(method for method in methods if method.is_head)
        if stage.lends_head:
            methods = tuple(method for method in methods if not method.is_head)
    return methods


def methods_during(stage: Stage, before: tuple[Method, ...]) -> tuple[Method, ...]:
    """The methods at work while a stage trains after `before`; its own are last."""
    names = {method.name for method in stage.methods}
    return (*(method for method in before if method.name not in names), *stage.methods)


def _check_merges(stages: Sequence[Stage]) -> None:
    merged: set[str] = set()
    for stage in stages:
        names = {method.name for method in stage.methods}
        if repeated := sorted(names & merged):
            raise InputError("stages", repeated[0], "it was merged by an earlier stage")
        merged |= names if stage.merge else set()


def _check_heads(stages: Sequence[Stage]) -> None:
    lent = [stage.task for stage in stages if stage.lends_head]
    last = stages[-1] if stages else None
    if lent and last and (last.lends_head or not last.has_head):
        allowed = "a head has the classes of one task; the last stage needs one of its own"
        raise InputError("stages.task", lent[0], allowed)

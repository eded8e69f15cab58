"""Contracts that any method on any model must keep; each raises `Broken` where it does not."""

from collections.abc import Callable
from typing import Any

import numpy as np

from research.common.errors import InputError
from research.contracts.subject import SIZE, WIDTH, ContractCase
from research.evaluation.batch import Rows
from research.methods.merging import merged
from research.methods.method import mask, split


class Broken(Exception):
    """What a method or a model does not keep, in a sentence."""


def starts_as_the_backbone(subject: ContractCase) -> None:
    """Before the first step the adapted model is the backbone, where the methods promise it."""
    if all(method.neutral for method in subject.methods):
        plain = {p: x for p, x in subject.start.items() if ":" not in p or p.startswith("head:")}
        _equal(subject.scores(subject.start), subject.scores(plain, plain=True))


def starts_from_the_seed(subject: ContractCase) -> None:
    """The same seed gives the same start, in whatever order the leaves come."""
    turned = dict(reversed(subject.params.items()))
    for params in (subject.params, turned):
        again = ContractCase(subject.model, params, subject.methods).start
        for path, leaf in subject.start.items():
            if not np.array_equal(leaf, again[path]):
                raise Broken(f"{path} differs between two starts from one seed")


def ignores_padding(subject: ContractCase) -> None:
    """What stands in the padding, and how much of it there is, changes nothing."""
    wide = subject.batch(width=WIDTH + 5)
    slots = np.arange(WIDTH + 5)[None]
    filled = wide._replace(tokens=np.where(slots < wide.length[:, None], wide.tokens, 11))
    expected = subject.scores(subject.moved)
    _equal(subject.scores(subject.moved, wide), expected)
    _equal(subject.scores(subject.moved, filled), expected)


def keeps_rows_apart(subject: ContractCase) -> None:
    """A row's scores do not depend on the rows beside it, nor on where it stands."""
    rows = subject.batch()
    turned = Rows(*(np.asarray(field)[::-1] for field in rows))
    other = rows._replace(tokens=np.where(np.arange(SIZE)[:, None] == 0, rows.tokens, 11))
    expected = subject.scores(subject.moved)
    _equal(subject.scores(subject.moved, turned)[::-1], expected)
    _equal(subject.scores(subject.moved, other)[:1], expected[:1])


def uses_all_it_adds(subject: ContractCase) -> None:
    """The loss has a finite gradient, not zero everywhere, for each leaf that was added."""
    for path in subject.moved.keys() - subject.params.keys():
        gradient = subject.gradients[path]
        if not np.isfinite(gradient).all():
            raise Broken(f"the gradient for {path} is not finite")
        if not np.any(gradient):
            raise Broken(f"the gradient for {path} is zero: the leaf changes nothing")


def merges_without_a_trace(subject: ContractCase) -> None:
    """Where what was added can be merged, the merged backbone alone is the adapted model."""
    try:
        whole = merged(subject.traced, subject.moved)
    except InputError:
        return  # what was added stands beside the backbone
    _equal(subject.scores(whole, plain=True), subject.scores(subject.moved))


def trains_as_a_part_of_the_whole(subject: ContractCase) -> None:
    """The gradient of the leaves that train is their part of the gradient of all leaves."""
    trained, frozen = split(subject.moved, mask(subject.methods, subject.moved))
    if not trained:
        raise Broken("nothing trains")
    whole = subject.gradients
    # Of rounding errors of the whole, such as a gradient that is zero in theory has.
    least = 1e-6 * max(float(np.abs(gradient).max()) for gradient in whole.values())
    for path, gradient in subject.gradients_of(trained, frozen).items():
        _equal(gradient, whole[path], f"the gradient for {path}", relative=1e-4, least=least)


CONTRACTS: tuple[Callable[[ContractCase], None], ...] = (
    starts_as_the_backbone,
    starts_from_the_seed,
    ignores_padding,
    keeps_rows_apart,
    uses_all_it_adds,
    merges_without_a_trace,
    trains_as_a_part_of_the_whole,
)


def _equal(
    found: Any, expected: Any, what: str = "scores", relative: float = 1e-5, least: float = 1e-5
) -> None:
    """Raises Broken for arrays further apart than float32 makes sums of their size."""
    found, expected = np.asarray(found), np.asarray(expected)
    apart = np.abs(found - expected).max(initial=0.0)
    allowed = max(least, relative * np.abs(expected).max(initial=0.0))
    if not apart <= allowed:
        raise Broken(f"{what}: {apart:.2g} apart, where {allowed:.2g} is rounding")

"""Contracts that any method on any model must keep; a broken one raises `Broken`."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from research.common.errors import InputError
from research.contracts.subject import SIZE, WIDTH, ContractCase
from research.methods.shared.leaves import mask, split
from research.methods.shared.merging import merged


class Broken(Exception):
    """A contract that a method or a model breaks, explained in a sentence."""


def starts_as_the_backbone(case: ContractCase) -> None:
    """Before the first step the adapted model equals the backbone, if all methods are neutral."""
    if all(method.neutral for method in case.methods):
        plain = {p: x for p, x in case.start.items() if ":" not in p or p.startswith("head:")}
        _equal(case.scores(case.start), case.scores(plain, plain=True))


def starts_from_the_seed(case: ContractCase) -> None:
    """The same seed gives the same start, in whatever order the leaves come."""
    turned = dict(reversed(case.params.items()))
    for params in (case.params, turned):
        again = ContractCase(case.model, params, case.methods).start
        for path, leaf in case.start.items():
            if not np.array_equal(leaf, again[path]):
                raise Broken(f"{path} differs between two starts from one seed")


def ignores_padding(case: ContractCase) -> None:
    """Neither the tokens in the padding nor its length change the scores."""
    wide = case.batch(width=WIDTH + 5)
    slots = np.arange(WIDTH + 5)[None]
    filled = wide._replace(tokens=np.where(slots < wide.length[:, None], wide.tokens, 11))
    expected = case.scores(case.moved)
    _equal(case.scores(case.moved, wide), expected)
    _equal(case.scores(case.moved, filled), expected)


def keeps_rows_apart(case: ContractCase) -> None:
    """The scores of a row depend neither on the other rows of the batch nor on its position."""
    rows = case.batch()
    turned = jax.tree.map(lambda field: np.asarray(field)[::-1], rows)
    other = rows._replace(tokens=np.where(np.arange(SIZE)[:, None] == 0, rows.tokens, 11))
    expected = case.scores(case.moved)
    _equal(case.scores(case.moved, turned)[::-1], expected)
    _equal(case.scores(case.moved, other)[:1], expected[:1])


def uses_all_it_adds(case: ContractCase) -> None:
    """The gradient of the loss for each added leaf is finite and not zero everywhere."""
    for path in case.moved.keys() - case.params.keys():
        gradient = case.gradients[path]
        if not np.isfinite(gradient).all():
            raise Broken(f"the gradient for {path} is not finite")
        if not np.any(gradient):
            raise Broken(f"the gradient for {path} is zero: the leaf changes nothing")


def merges_without_a_trace(case: ContractCase) -> None:
    """If the added leaves can be merged, the merged backbone alone equals the adapted model."""
    try:
        whole = merged(case.traced, case.moved)
    except InputError:
        return  # it cannot be merged
    _equal(case.scores(whole, plain=True), case.scores(case.moved))


def trains_as_a_part_of_the_whole(case: ContractCase) -> None:
    """The gradient for the trained leaves equals their part of the gradient for all leaves."""
    trained, frozen = split(case.moved, mask(case.methods, case.moved))
    if not trained:
        raise Broken("nothing trains")
    whole = case.gradients
    # Tolerance for gradients that are zero in theory, relative to the largest one.
    least = 1e-6 * max(float(np.abs(gradient).max()) for gradient in whole.values())
    for path, gradient in case.gradients_of(trained, frozen).items():
        _equal(gradient, whole[path], f"the gradient for {path}", relative=1e-4, least=least)


def resumes_from_states(case: ContractCase) -> None:
    """Scores and gradients from kept states of the frozen trunk equal those from tokens.

    Where the first layer trains there is no trunk.
    """
    labels, targets = case.kept_states
    if labels is not None:
        rows = case.batch()._replace(states=labels.rows.batch(np.arange(SIZE), SIZE, WIDTH))
        _equal(case.resumed_scores(rows, labels.frame), case.scores(case.moved))
    if targets is not None:
        rows = case.batch()._replace(states=targets.rows.batch(np.arange(SIZE), SIZE, WIDTH))
        expected = case.gradients_of(*split(case.moved, mask(case.methods, case.moved)))
        least = 1e-6 * max(float(np.abs(gradient).max()) for gradient in expected.values())
        for path, gradient in case.resumed_gradients(rows, targets.frame).items():
            what = f"the gradient for {path}"
            _equal(gradient, expected[path], what, relative=1e-4, least=least)


def runs_as_a_scan(case: ContractCase) -> None:
    """Scores and gradients of layers that run as one scan equal those of layers one by one.

    In a model of one layer there is nothing to scan.
    """
    if max(case.model.depths) < 2:
        return
    scanned = ContractCase(case.model.with_layers("scan"), case.params, case.methods)
    _equal(scanned.scores(case.moved), case.scores(case.moved))
    trained, frozen = split(case.moved, mask(case.methods, case.moved))
    expected = case.gradients_of(trained, frozen)
    # Relative to the largest gradient, since sums come in another order.
    least = 1e-5 * max(float(np.abs(gradient).max()) for gradient in expected.values())
    for path, gradient in scanned.gradients_of(trained, frozen).items():
        _equal(gradient, expected[path], f"the gradient for {path}", least=least)


CONTRACTS: tuple[Callable[[ContractCase], None], ...] = (
    starts_as_the_backbone,
    starts_from_the_seed,
    ignores_padding,
    keeps_rows_apart,
    uses_all_it_adds,
    merges_without_a_trace,
    trains_as_a_part_of_the_whole,
    resumes_from_states,
    runs_as_a_scan,
)


def _equal(
    actual: Any, expected: Any, what: str = "scores", relative: float = 1e-5, least: float = 1e-5
) -> None:
    """Raises Broken for arrays that differ by more than rounding in float32."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    apart = np.abs(actual - expected).max(initial=0.0)
    allowed = max(least, relative * np.abs(expected).max(initial=0.0))
    if not apart <= allowed:
        raise Broken(f"{what}: {apart:.2g} apart, where {allowed:.2g} is rounding")

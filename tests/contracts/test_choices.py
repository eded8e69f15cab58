"""Every method with choices that each row has of its own, and with labels that compete."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.contracts.subject import LABELS, SIZE, ContractCase
from research.evaluation.batch import Rows
from research.evaluation.scoring import choice_logprobs, label_scores
from research.methods.adapted import Adapted
from research.methods.shared.leaves import mask, split
from research.tasks.encoding.encoded import Labels
from tests.contracts.method_cases import CASES, MORE, ON_DECODERS, subject
from tests.tiny import decoder

pytestmark = pytest.mark.thorough
ON_T5 = [names for variant, names in MORE if variant == "t5"]


def own_choices(case: ContractCase) -> Rows:
    """The rows with the labels as their own choices, in another order in every second row."""
    order = np.stack([np.arange(2) if row % 2 else np.arange(2)[::-1] for row in range(SIZE)])
    own = Labels(LABELS.tokens[order], LABELS.length[order])
    rows = case.batch()
    right = np.argmax(order == np.asarray(rows.label)[:, None], axis=1).astype(np.int32)
    return rows._replace(choices=own, label=right)


@partial(jax.jit, static_argnums=0)
def own_scores(model, methods, leaves, rows, frame):
    return label_scores(Adapted(model, methods, leaves), rows, frame)


@partial(jax.jit, static_argnums=0)
def loss_and_gradient(model, methods, trained, frozen, rows, frame):
    """The loss of the right choices, with dropout, and its gradient."""

    def loss(trained):
        adapted = Adapted(model, methods, {**frozen, **trained})
        logprobs, counted = choice_logprobs(adapted, rows, frame, jax.random.PRNGKey(0))
        return -jnp.where(counted, logprobs, 0.0).sum()

    return jax.value_and_grad(loss)(trained)


def check(case: ContractCase) -> None:
    """Own choices score as shared labels, and the objective has a gradient for what trains."""
    rows = own_choices(case)
    shared = case.scores(case.moved)
    own = np.asarray(own_scores(case.model, case.traced, case.moved, rows, case.frame))
    expected = np.where(np.arange(SIZE)[:, None] % 2, shared, shared[:, ::-1])
    np.testing.assert_allclose(own, expected, rtol=0, atol=1e-4)
    trained, frozen = split(case.moved, mask(case.methods, case.moved))
    loss, gradient = loss_and_gradient(case.model, case.traced, trained, frozen, rows, case.frame)
    if not any(getattr(method, "dropout", 0) for method in case.methods):
        scores = own.astype(np.float64)
        right = scores[np.arange(SIZE), rows.label] - np.logaddexp.reduce(scores, axis=1)
        assert float(loss) == pytest.approx(-right.sum(), abs=1e-3)
    assert all(np.isfinite(leaf).all() for leaf in gradient.values())
    assert any(np.abs(leaf).max() > 0 for leaf in gradient.values())


@pytest.mark.parametrize("name", ON_DECODERS)
def test_methods_on_a_decoder(name: str):
    model, params = decoder(layers=1)
    check(ContractCase(model, params, (CASES[name],)))


@pytest.mark.parametrize("name", ON_T5)
def test_methods_on_t5(name: str):
    check(subject("t5", name))

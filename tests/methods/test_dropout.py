"""Dropout: of what a method reads, and of T5, whose masks all positions of a row share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.batch import Rows, prompt_frame
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.methods.shared.dropout import shared_dropout
from research.training.optimizer import Schedule
from research.training.step import Program
from tests import checkpoints, tiny

KEYS = jax.random.split(jax.random.PRNGKey(0), 400)


@pytest.mark.parametrize("shape", [(400, 3, 50), (400, 2, 2, 3, 12)])
def test_all_positions_share_a_mask(shape):
    dropped = np.asarray(shared_dropout(jnp.full(shape, 3.0), 0.25, KEYS))
    assert set(np.unique(dropped)) == {0.0, 4.0}
    assert (dropped == dropped[..., :1, :]).all()
    # About 20,000 draws, so the share has a deviation of 0.003.
    assert dropped.mean() == pytest.approx(3.0, abs=0.05)
    for one, other in ((dropped[0], dropped[1]), (dropped[..., 0], dropped[..., 1])):
        assert (one != other).any()


def test_neither_padding_nor_other_rows_change_a_mask():
    x = jnp.ones((400, 2, 3, 5))
    whole = shared_dropout(x, 0.5, KEYS)
    wide = shared_dropout(jnp.pad(x, ((0, 0), (0, 0), (0, 4), (0, 6))), 0.5, KEYS)
    np.testing.assert_array_equal(wide[:, :, :3, :5], whole)
    np.testing.assert_array_equal(shared_dropout(x[7:9], 0.5, KEYS[7:9]), whole[7:9])
    assert shared_dropout(x, 0.5, None) is x


def rows(width: int, order: list[int]) -> Rows:
    """Three rows of T5, in an order that their keys follow; what is wider is padding."""
    start = np.array([7, 3, 6], np.int32)
    tokens = np.full((3, width), 7, np.int32)
    tokens[:, :9] = np.random.default_rng(0).integers(3, 61, (3, 9))
    target = np.stack([tokens[i, start[i] : start[i] + 2] for i in range(3)])
    whole = Rows(tokens, start + 2, start, target, np.zeros(3, np.int32), np.arange(3))
    return jax.tree.map(lambda field: field[order], whole)


def test_the_dropout_of_t5_depends_on_a_rows_key_alone(monkeypatch: pytest.MonkeyPatch):
    small = {**checkpoints.VARIANTS["t5 1.1"], "num_layers": 1, "num_decoder_layers": 1}
    monkeypatch.setitem(checkpoints.VARIANTS, "small", small)
    model, leaves = checkpoints.drawn("small")

    @jax.jit
    def losses(rows: Rows, key: jax.Array) -> jax.Array:
        adapted = Adapted(model, (), leaves, dropout=0.5)
        logprobs, counted = target_logprobs(adapted, rows, prompt_frame(suffix_ids=[1]), key)
        return -jnp.where(counted, logprobs, 0.0).sum(axis=1)

    key = jax.random.PRNGKey(1)
    once, turned = losses(rows(9, [0, 1, 2]), key), losses(rows(9, [2, 0, 1]), key)
    np.testing.assert_allclose(turned, np.asarray(once)[[2, 0, 1]], rtol=1e-5)
    np.testing.assert_allclose(losses(rows(14, [0, 1, 2]), key), once, rtol=1e-5)
    assert (np.abs(once - losses(rows(9, [0, 1, 2]), jax.random.PRNGKey(2))) > 1e-3).all()


def test_a_family_without_dropout_refuses_it():
    model, _ = tiny.decoder()
    with pytest.raises(InputError, match="dropout is 0.1: this model family has no"):
        Program(model, Schedule(dropout=0.1))

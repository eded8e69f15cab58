"""Log-probabilities by chunks of positions against all logits at once."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.batch import prompt_frame
from research.evaluation.routes import token_logprobs as module
from research.evaluation.routes.token_logprobs import chunk_shape, token_logprobs, uncounted_flops
from research.evaluation.scoring import label_scores, target_logprobs
from research.methods.adapted import Adapted
from research.methods.lora import LoRA
from research.models.backbone import load_backbone
from research.runtime.executable import compiled_cost
from tests import checkpoints
from tests.thorough import cases
from tests.tiny import LABELS, batch, decoder, with_method

FRAMES = {
    "causal": prompt_frame([3, 4, 8]),
    "masked": prompt_frame([3, 4, 8], suffix_ids=[7, 5], mask=9),
    "seq2seq": prompt_frame([3, 4, 8], suffix_ids=[2]),
}
VARIANTS = {"causal": "gpt2", "masked": "bert", "seq2seq": "t5"}
# Chunks differ from the whole in the order in which a product is summed, and a leaf's gradient is
# rounded once for each chunk: some units in the last place of the largest number.
UNITS = 16
ROWS = 4


def in_chunks_of(monkeypatch, vocabulary, positions):
    """Makes every logit too many to compute at once, with `positions` in a chunk."""
    monkeypatch.setattr(module, "MOST_LOGIT_BYTES", 0)
    monkeypatch.setattr(module, "CHUNK", 4 * vocabulary * positions)


def assert_near(chunked, whole, dtype):
    """Leaves of equal paths differ by at most `UNITS` units of `dtype` of the whole's largest.

    A leaf whose gradient is 0 but for rounding, a key's bias, is near 0 beside the other leaves.
    """
    unit = float(jnp.finfo(dtype).eps)
    least = max(np.abs(expected).max() for expected in whole.values()) / 100
    for path, expected in whole.items():
        largest = max(least, np.abs(expected).max())
        np.testing.assert_allclose(
            chunked[path], expected, rtol=0, atol=UNITS * unit * largest, err_msg=path
        )


def loss_and_gradients(model, methods, leaves, rows, frame, dtype, smoothing):
    """{"loss": [], path: gradient} of all leaves, compiled anew."""

    @jax.jit
    def both(leaves, rows):
        def loss(leaves):
            adapted = Adapted(model, methods, leaves, dtype)
            logprobs, counted = target_logprobs(adapted, rows, frame, smoothing=smoothing)
            # Positions have unequal weights, as in no loss that is only summed.
            return -jnp.where(counted, logprobs * weights, 0.0).sum()

        weights = 1.0 + jnp.arange(rows.target.shape[1])[None]
        return jax.value_and_grad(loss)(leaves)

    loss, gradients = both(leaves, rows)
    return {"loss": np.asarray(loss), **{p: np.asarray(g) for p, g in gradients.items()}}


@pytest.mark.parametrize("dtype", cases([jnp.float32, jnp.bfloat16], quick=(jnp.float32,)))
@pytest.mark.parametrize("route", cases(VARIANTS, quick=("causal", "seq2seq")))
def test_chunks_have_the_loss_and_gradients_of_the_whole(monkeypatch, tmp_path, route, dtype):
    """Of all leaves, the table's among them; 12 positions in chunks of 8, the last with padding."""
    backbone = load_backbone(str(checkpoints.write(tmp_path / "written", VARIANTS[route])))
    vocabulary = backbone.model.config.vocab_size
    method = LoRA(rank=3, alpha=6.0, targets=("out", "down"))
    leaves = with_method(method, backbone.params)
    run = partial(
        loss_and_gradients,
        backbone.model,
        (method,),
        leaves,
        batch(ROWS),
        FRAMES[route],
        dtype,
        0.1,
    )
    whole = run()
    in_chunks_of(monkeypatch, vocabulary, positions=8)
    assert chunk_shape(ROWS, 3, vocabulary) == (ROWS, 2)
    assert_near(run(), whole, dtype)
    assert np.abs(whole["embed/embedding"]).max() > 0


@pytest.mark.parametrize("tied", [True, False])
def test_chunks_of_a_part_of_the_rows_and_a_trained_output_layer(monkeypatch, tied):
    """Three positions in a chunk, fewer than the rows; LoRA on the output layer if there is one."""
    model, params = decoder(tied=tied)
    method = LoRA(rank=3, alpha=6.0, targets=("query",) if tied else ("query", "head"))
    leaves = with_method(method, params)
    args = (model, (method,), leaves, batch(ROWS), FRAMES["causal"], jnp.float32, 0.0)
    whole = loss_and_gradients(*args)
    in_chunks_of(monkeypatch, 23, positions=3)
    assert chunk_shape(ROWS, 3, 23) == (2, 1)
    assert_near(loss_and_gradients(*args), whole, jnp.float32)
    trained = "embed/embedding" if tied else "head/kernel"
    assert np.abs(whole[trained]).max() > 0


@pytest.mark.parametrize("route", VARIANTS)
def test_label_scores_in_chunks_are_those_of_the_whole(monkeypatch, tmp_path, route):
    backbone = load_backbone(str(checkpoints.write(tmp_path / "written", VARIANTS[route])))

    def scores():
        def score(leaves, rows):
            return label_scores(Adapted(backbone.model, (), leaves), rows, FRAMES[route], LABELS)

        return np.asarray(jax.jit(score)(backbone.params, batch(ROWS)))

    whole = scores()
    in_chunks_of(monkeypatch, backbone.model.config.vocab_size, positions=4)
    assert_near({"scores": scores()}, {"scores": whole}, jnp.float32)


def test_no_array_has_all_logits(monkeypatch):
    """Neither of the program of the loss nor of that of its gradients."""
    model, params = decoder(vocab_size=997)
    hidden, tokens = jnp.ones((4, 12, 16)), jnp.zeros((4, 12), jnp.int32)

    def loss(leaves, hidden):
        return token_logprobs(Adapted(model, (), leaves), hidden, tokens).sum()

    def temporary():
        compiled = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(params, hidden).compile()
        return compiled_cost(compiled)["temporary_bytes"] or 0.0

    logits = 4 * 48 * 997
    assert temporary() >= logits
    in_chunks_of(monkeypatch, 997, positions=4)
    assert temporary() < logits


def test_chunks_pass_on_only_the_leaves_that_logits_read(monkeypatch):
    """Not those of the layers, whose gradients would be added up as zeros for each chunk."""
    model, params = decoder()
    hidden, tokens = jnp.ones((4, 3, 16)), jnp.zeros((4, 3), jnp.int32)
    in_chunks_of(monkeypatch, 23, positions=4)

    def loss(leaves):
        adapted = Adapted(model, (), leaves, jnp.bfloat16)
        return token_logprobs(adapted, hidden, tokens).sum()

    [call] = [e for e in jax.make_jaxpr(loss)(params).eqns if "custom_vjp" in e.primitive.name]
    shapes = sorted(var.aval.shape for var in call.invars)
    assert shapes == sorted([(23, 16), (3, 4, 1, 16), (3, 4, 1)])


def test_few_logits_are_computed_at_once():
    """So that nothing changes where memory is no matter: SmolLM2, 8 rows of 80 targets."""
    assert chunk_shape(8, 80, 49_152) == (8, 80)
    assert chunk_shape(16, 127, 49_152) == (16, 19)


def test_flops_of_all_chunks_are_counted(monkeypatch):
    """As many as those of the same step without chunks, but for element-wise operations."""
    model, params = decoder(vocab_size=997)
    hidden, tokens = jnp.ones((4, 12, 16)), jnp.zeros((4, 12), jnp.int32)

    def flops(trained):
        def loss(leaves, hidden):
            adapted = Adapted(model, (), {**params, **leaves})
            return token_logprobs(adapted, hidden, tokens).sum()

        leaves = {path: params[path] for path in trained}
        compiled = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(leaves, hidden).compile()
        return compiled_cost(compiled)["flops"] or 0.0

    products = 2.0 * 48 * 16 * 997
    for trained, again in (([], 0), (["embed/embedding"], 1)):
        monkeypatch.undo()
        whole = flops(trained) + again * products
        in_chunks_of(monkeypatch, 997, positions=4)
        counted = flops(trained) + uncounted_flops(model, (4, 12), trained)
        assert counted == pytest.approx(whole, rel=0.2)

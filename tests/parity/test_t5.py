"""What only T5 has: continued targets, shared prompts, dropout, both spellings of a config, mT5."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.methods import adapted
from research.methods.encoder_output import cross_memory, encode_rows
from research.methods.shared import layer_calls
from research.methods.shared.dropout import shared_dropout
from research.models.backbone import load_backbone
from research.models.t5.config import T5Config
from tests import checkpoints

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.parity.reference import assert_equal_logits, their_logits, theirs  # noqa: E402

VARIANTS = ["t5", "t5 1.1"]


def variables(backbone):
    return {"params": unflatten_dict(backbone.params, sep="/")}


def steps(start, stop):
    return np.arange(start, stop, dtype=np.int32)[None]


@partial(jax.jit, static_argnums=0)
def encoded(model, variables, tokens, valid):
    positions = steps(0, tokens.shape[1])
    hidden = model.apply(variables, tokens, positions, valid, method="encode")
    return model.apply(variables, hidden, positions, valid, method="cross_memories")


@partial(jax.jit, static_argnums=(0, 1))
def decoded(model, start, variables, target, valid, memories, cross):
    """(logits [B, T, V], memory) of a target whose first token is at position `start`."""
    positions = steps(start, start + target.shape[1])
    hidden, memory = model.apply(variables, target, positions, valid, memories, cross)
    return model.apply(variables, hidden, method="logits"), memory


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_target_continued_after_a_memory_equals_the_whole(checkpoint, variant):
    folder = checkpoint(variant)
    backbone = load_backbone(str(folder))
    model, params = backbone.model, variables(backbone)
    given = checkpoints.inputs(model)
    cross = encoded(model, params, given["tokens"], given["valid"])
    target, valid = given["target"], given["target_valid"]
    first, memory = decoded(model, 0, params, target[:, :3], valid[:, :3], (), cross)
    rest, _ = decoded(model, 3, params, target[:, 3:], valid[:, 3:], (memory,), cross)
    with torch.no_grad():
        expected = their_logits(theirs(folder), given).numpy()
    ours = np.concatenate([first, rest], axis=1)
    np.testing.assert_allclose(ours[valid], expected[valid], atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_encoded_prompt_serves_several_targets(checkpoint, variant):
    folder = checkpoint(variant)
    backbone = load_backbone(str(folder))
    model, params = backbone.model, variables(backbone)
    given = checkpoints.inputs(model)
    cross = encoded(model, params, given["tokens"], given["valid"])
    draw = np.random.default_rng(5)
    target = draw.integers(3, model.config.vocab_size, (6, 7)).astype(np.int32)
    valid = np.arange(7)[None] < np.asarray([7, 2, 5, 1, 4, 7])[:, None]
    ours, _ = decoded(model, 0, params, target, valid, (), cross)
    repeated = {name: np.repeat(given[name], 2, axis=0) for name in ("tokens", "valid")}
    with torch.no_grad():
        whole = {**repeated, "target": target, "target_valid": valid}
        expected = their_logits(theirs(folder), whole).numpy()
    np.testing.assert_allclose(np.asarray(ours)[valid], expected[valid], atol=1e-4, rtol=0)


def test_padding_changes_nothing(checkpoint):
    backbone = load_backbone(str(checkpoint("t5 1.1")))
    model, params = backbone.model, variables(backbone)
    given = checkpoints.inputs(model)
    logits = partial(checkpoints.logits, model, backbone.params)
    valid = given["target_valid"]
    before = np.asarray(logits(given))
    odd = {
        **given,
        "tokens": np.where(given["valid"], given["tokens"], 1),
        "target": np.where(valid, given["target"], 1),
    }
    np.testing.assert_array_equal(np.asarray(logits(odd))[valid], before[valid])
    row = encoded(model, params, given["tokens"][1:2, :13], given["valid"][1:2, :13])
    alone, _ = decoded(model, 0, params, given["target"][1:2], valid[1:2], (), row)
    np.testing.assert_allclose(alone[0], before[1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_bfloat16_is_as_near_to_float32_as_it_is_in_transformers(checkpoint, variant):
    folder = checkpoint(variant)
    half = load_backbone(str(folder), "bfloat16")
    given = checkpoints.inputs(half.model)
    valid = given["target_valid"]
    logits = partial(checkpoints.logits, half.model, given=given)
    ours = np.asarray(logits(half.params))[valid]
    exact = {path: np.asarray(leaf, np.float32) for path, leaf in half.params.items()}
    with torch.no_grad():
        reference = their_logits(theirs(folder).bfloat16(), given).float().numpy()[valid]
    expected = np.asarray(logits(exact))[valid]
    assert ours.dtype == np.float32 and np.isfinite(ours).all()
    error, allowed = (np.sqrt(((x - expected) ** 2).mean()) for x in (ours, reference))
    assert 0 < error < 1.2 * allowed
    cross = encoded(half.model, variables(half), given["tokens"], given["valid"])
    assert cross.keys[0].dtype == cross.values[-1].dtype == "bfloat16"


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_transformers_saves_is_the_same_model(checkpoint, tmp_path, variant):
    folder = checkpoint(variant)
    reference = theirs(folder)
    reference.save_pretrained(tmp_path / "again")
    fields = json.loads((tmp_path / "again" / "config.json").read_text())
    assert fields["tie_word_embeddings"] is True  # whatever the model is
    before, after = load_backbone(str(folder)), load_backbone(str(tmp_path / "again"))
    assert after.model == before.model
    assert after.params.keys() == before.params.keys()
    for path, leaf in before.params.items():
        np.testing.assert_array_equal(after.params[path], leaf, err_msg=path)


def test_mt5_is_t5_whose_outputs_are_never_scaled(checkpoint):
    folder = checkpoint("t5 1.1")
    config = folder / "config.json"
    fields = json.loads(config.read_text())
    del fields["feed_forward_proj"]
    fields |= {"model_type": "mt5", "architectures": ["MT5ForConditionalGeneration"]}
    fields["tie_word_embeddings"] = True
    config.write_text(json.dumps(fields))
    assert_equal_logits(folder)


@pytest.mark.parametrize(("count", "reach"), [(32, 128), (8, 16), (50, 1000), (7, 33)])
def test_buckets_are_those_of_transformers(count, reach):
    """Up to four times as far as they tell apart: further offsets are clipped."""
    config = T5Config(9, 4, 1, 1, 1, 4, 4, buckets=count, max_distance=reach)
    offsets = np.arange(-4 * reach, 4 * reach + 1)
    reached = np.clip(offsets, -reach, reach) + reach
    bucket = transformers.models.t5.modeling_t5.T5Attention._relative_position_bucket
    for causal in (True, False):
        expected = bucket(torch.tensor(offsets), not causal, count, reach).numpy()
        np.testing.assert_array_equal(config.offset_buckets(causal)[reached], expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_dropout_stands_where_transformers_has_it(checkpoint, variant, monkeypatch):
    """Theirs takes our masks, one after the other, in the order in which it drops."""
    folder, masks = checkpoint(variant), []

    def drawn(x, rate, keys):
        masks.append(shared_dropout(jnp.ones_like(x), rate, keys))
        return x * masks[-1]

    monkeypatch.setattr(layer_calls, "shared_dropout", drawn)
    backbone = load_backbone(str(folder))
    given = checkpoints.inputs(backbone.model)
    valid = given["target_valid"]

    @jax.jit
    def run(leaves, keys):
        ours = adapted.Adapted(backbone.model, (), leaves, dropout=0.3)
        read = encode_rows(
            ours, given["tokens"], given["valid"], np.zeros(0, np.int32), 0, keys=keys
        )
        cross = cross_memory(ours, read, keys)
        hidden, _ = ours.rows(given["target"], valid, steps(0, 7), (), cross, keys)
        return ours.logits(hidden), masks

    logits, drops = run(backbone.params, jax.random.split(jax.random.PRNGKey(0), 3))
    assert len({np.asarray(mask).tobytes() for mask in drops}) == len(drops)
    rest = iter(drops)

    def dropped(x, p, training, *inplace):
        return x * torch.tensor(np.asarray(next(rest))).reshape_as(x)

    monkeypatch.setattr(torch.nn.functional, "dropout", dropped)
    expected = their_logits(theirs(folder).train(), given).detach().numpy()
    assert next(rest, None) is None
    np.testing.assert_allclose(np.asarray(logits)[valid], expected[valid], atol=1e-4, rtol=0)

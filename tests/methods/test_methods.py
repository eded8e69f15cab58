"""Every method: what it adds, what it trains, and that nothing else moves."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.batch import EncodedPrompts, Rows
from research.evaluation.predictor import AdaptedWeights
from research.methods.adapted import Adapted
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.prefix import PrefixTuning
from research.methods.shared.leaves import add, added_to, backbone, mask, split
from research.methods.shared.merging import merged
from research.methods.soft_prompt import SoftPrompt
from research.models.backbone import shapes
from research.training.member import Member
from research.training.optimizer import Schedule
from research.training.step import Program
from tests.thorough import cases
from tests.tiny import (
    ANSWERER,
    FRAME,
    METHODS,
    WORDS,
    batch,
    decoder,
    encoded,
    fit_members,
    hyper,
    predictor,
    with_method,
)

KEY = jax.random.PRNGKey(0)
LORA = METHODS["lora"]
LAYER = ("attention_norm/scale", "mlp_norm/scale") + tuple(
    f"{block}/{name}/kernel"
    for block, names in {
        "attention": ("query", "key", "value", "out"),
        "mlp": ("gate", "up", "down"),
    }.items()
    for name in names
)
BODY = {f"layers_{i}/{leaf}" for i in range(2) for leaf in LAYER}
# What each of METHODS trains in a tied decoder of two layers, spelled out.
TRAINED = {
    "full": {"embed/embedding", "final_norm/scale"} | BODY,
    "last_layers": {"final_norm/scale"} | {f"layers_1/{leaf}" for leaf in LAYER},
    "lora": {
        f"lora:layers_{i}/{layer}/{leaf}"
        for i in range(2)
        for layer in ("attention/query", "attention/value", "mlp/down")
        for leaf in ("a", "b")
    },
    "prefix": {"prefix:/keys", "prefix:/values"},
    "soft_prompt": {"soft_prompt:/prompt"},
}


@partial(jax.jit, static_argnums=0)
def logits(model, methods, leaves, rows: Rows) -> jax.Array:
    """[B, T, V] after no frame."""
    adapted = Adapted(model, methods, leaves)
    slots = jnp.arange(rows.tokens.shape[1], dtype=jnp.int32)[None]
    positions = jnp.broadcast_to(slots, rows.tokens.shape)
    return adapted.logits(adapted.rows(rows.tokens, slots < rows.length[:, None], positions)[0])


@pytest.mark.parametrize("name", cases(METHODS, quick=("lora",)))
def test_only_what_the_mask_names_moves(name):
    """Over steps as a sweep takes them; all leaves the caller holds stay as they are."""
    model, params = decoder(layers=2 if name == "last_layers" else 1)
    method, dev = METHODS[name], encoded(8, seed=1)
    leaves = params | add(method, KEY, params, WORDS)
    before = {path: np.array(leaf) for path, leaf in leaves.items()}
    schedule = Schedule(steps=3, batch_size=8, eval_every=3, warmup=0.0, decay="constant")
    hypers = hyper(method, weight_decay=0.1)
    member = Member(0, hypers, leaves, encoded(12), dev, FRAME)
    [outcome] = fit_members(Program(model, schedule), [member])

    assert outcome.trained.keys() == split(leaves, mask((method,), leaves))[0].keys()
    for path, leaf in outcome.trained.items():
        assert np.any(leaf != before[path]), f"{path} did not move"
    for path, leaf in leaves.items():
        np.testing.assert_array_equal(leaf, before[path])
    # The dev score it reports is that of the leaves it started from with the trained ones.
    kept = {**before, **outcome.trained}
    weights = AdaptedWeights(hypers.methods, kept)
    again = ANSWERER.training_answers(predictor(model), weights, EncodedPrompts(dev, FRAME))
    assert again.loss == outcome.progress.best_loss


@pytest.mark.parametrize("name", METHODS)
def test_mask_and_split_and_their_inverses(name):
    model, params = decoder()
    method = METHODS[name]
    leaves = params | add(method, KEY, params, WORDS)
    chosen = mask((method,), leaves)
    assert chosen.keys() == leaves.keys()
    assert {path for path, trains in chosen.items() if trains} == TRAINED[name]
    trained, frozen = split(leaves, chosen)
    assert not trained.keys() & frozen.keys()
    assert {**frozen, **trained} == leaves
    assert backbone(leaves) == params
    own = {
        f"{method.name}:{module}/{leaf}": array
        for module, arrays in added_to(method, leaves).items()
        for leaf, array in arrays.items()
    }
    assert params | own == leaves


@pytest.mark.parametrize("name", ["lora", "prefix", "soft_prompt"])
def test_start_depends_on_seed_and_path_not_on_order(name):
    _, params = decoder()
    method = METHODS[name]
    start = add(method, KEY, params, WORDS)
    turned = add(method, KEY, dict(reversed(params.items())), WORDS)
    upper = {p: x for p, x in params.items() if not p.startswith("layers_0/")}
    fewer = add(method, KEY, upper, WORDS)
    other = add(method, jax.random.PRNGKey(1), params, WORDS)
    assert start.keys() == turned.keys() == other.keys()
    for path, leaf in start.items():
        np.testing.assert_array_equal(leaf, turned[path])
        if name != "prefix":  # all its layers are one leaf
            np.testing.assert_array_equal(leaf, fewer.get(path, leaf))
        assert np.any(leaf != other[path]) or path.endswith("/b"), f"{path} ignores the seed"
    drawn = [np.asarray(leaf) for path, leaf in start.items() if path.endswith("query/a")]
    assert all(np.any(drawn[0] != leaf) for leaf in drawn[1:])


def test_lora_starts_as_the_backbone():
    model, params = decoder(layers=1)
    start, rows = params | add(LORA, KEY, params, WORDS), batch(6)
    plain = logits(model, (), params, rows)
    np.testing.assert_array_equal(logits(model, (LORA,), start, rows), plain)
    a = start["lora:layers_0/mlp/down/a"]
    assert 0.5 * 24**-0.5 < np.abs(a).max() <= 24**-0.5


def test_merged_lora_equals_unmerged():
    model, params = decoder(layers=1)
    leaves, rows = with_method(LORA, params), batch(6)
    unmerged, plain = logits(model, (LORA,), leaves, rows), logits(model, (), params, rows)
    folded = merged((LORA,), leaves)
    assert folded.keys() == params.keys()
    assert np.abs(unmerged - plain).max() > 1.0
    # Logits of size 10 in float32.
    np.testing.assert_allclose(logits(model, (), folded, rows), unmerged, rtol=0, atol=1e-4)


def test_a_soft_prompt_cannot_be_merged():
    _, params = decoder()
    method = METHODS["soft_prompt"]
    with pytest.raises(InputError, match="method is 'soft_prompt': .* cannot be merged"):
        merged((method,), params | add(method, KEY, params, WORDS))


def test_what_needs_a_bias_cannot_be_merged_where_there_is_none(monkeypatch):
    """A layer without a bias would not look at one."""
    _, params = decoder()
    monkeypatch.setattr(LoRA, "merge", lambda self, leaf, layer: {**layer, "bias": leaf["b"][0]})
    with pytest.raises(InputError, match=r"'lora': merged, it needs \['bias'\] in layers_0/att"):
        merged((LORA,), with_method(LORA, params))


def test_soft_prompt_starts_from_rows_of_the_embedding():
    _, params = decoder()
    table = np.asarray(params["embed/embedding"])
    [prompt] = add(SoftPrompt(length=16), KEY, params, WORDS).values()
    rows = [int(np.flatnonzero((table == vector).all(-1))[0]) for vector in np.asarray(prompt)]
    assert len(rows) == 16
    assert len(set(rows)) > 4


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("last", [1, 2])
def test_last_layers_trains_the_last_and_the_norm_and_an_untied_head(last, tied):
    model, _ = decoder(layers=3, tied=tied)
    chosen = mask((LastLayers(last=last),), shapes(model))
    expected = {f"layers_{2 - i}/{leaf}" for i in range(last) for leaf in LAYER}
    expected |= {"final_norm/scale"} | (set() if tied else {"head/kernel"})
    assert {path for path, trains in chosen.items() if trains} == expected


def test_last_layers_counts_layers_by_number_not_by_name():
    """Of twelve layers the last is `layers_11`, though `layers_9` sorts behind it."""
    model, _ = decoder(layers=12)
    chosen = mask((LastLayers(last=2),), shapes(model))
    assert {path.split("/")[0] for path, trains in chosen.items() if trains} == {
        "layers_10",
        "layers_11",
        "final_norm",
    }


@pytest.mark.parametrize("last", [0, -1, 3])
def test_last_layers_that_do_not_exist(last):
    _, params = decoder()
    with pytest.raises(InputError, match=f"last_layers.last is {last}: the backbone has 2 layers"):
        mask((LastLayers(last=last),), params)


@pytest.mark.parametrize(
    "method, message",
    [
        (LoRA(rank=0), "lora.rank is 0"),
        (LoRA(alpha=0.0), "lora.alpha is 0.0"),
        (LoRA(dropout=1.0), "lora.dropout is 1.0"),
        (LoRA(dropout=-0.1), "lora.dropout is -0.1"),
        (LoRA(targets=("query", "quarry")), "lora.targets is 'quarry': it fits nothing; .*'query'"),
        (SoftPrompt(length=0), "soft_prompt.length is 0"),
        (PrefixTuning(length=-1), "prefix.length is -1"),
    ],
)
def test_mistaken_methods(method, message):
    _, params = decoder()
    with pytest.raises(InputError, match=message):
        add(method, KEY, params, WORDS)

"""Batches whose rows each name their own adapter, against one adapter at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.batch import prompt_frame
from research.methods.adalora import AdaLoRA
from research.methods.bottleneck import Bottleneck
from research.methods.dora import DoRA
from research.methods.head import Head
from research.methods.ia3 import IA3
from research.methods.lora import LoRA
from research.methods.lora_fa import LoRAFA
from research.methods.method import Words
from research.methods.prefix import PrefixTuning
from research.methods.shared.leaves import add
from research.methods.soft_prompt import SoftPrompt
from research.methods.vera import VeRA
from research.runtime.executable import compiled_cost
from research.serving.mixed_batch import mixed_scores
from research.serving.stacked_adapters import Adapter, stack_adapters
from research.tasks.encoding.encoded import Labels
from tests import checkpoints
from tests.tiny import LABELS, batch, decoder, scored

# Three labels of one to four tokens.
THREE = Labels(
    np.array([[5, 0, 0, 0], [8, 3, 0, 0], [9, 4, 9, 2]], np.int32), np.array([1, 2, 4], np.int32)
)
METHODS = {
    "backbone": (),
    "soft prompt of 3": (SoftPrompt(3),),
    "soft prompt of 7": (SoftPrompt(7),),
    "rank 2": (LoRA(2, alpha=3.0),),
    "rank 4": (LoRA(4, alpha=20.0, dropout=0.5),),
    "rank 3, stabilised": (LoRA(3, stabilised=True),),
    "rank 1, elsewhere": (LoRA(1, targets=("query", "down")),),
    "prefix": (PrefixTuning(2),),
    "ia3": (IA3(),),
    "dora of 2": (DoRA(2),),
    "dora of 3": (DoRA(3, alpha=5.0),),
    "pissa of 2": (LoRA(2, alpha=3.0, start="pissa"),),
    "pissa of 3": (LoRA(3, alpha=3.0, start="pissa"),),
    "frozen a": (LoRAFA(2),),
    "adalora of 2": (AdaLoRA(2),),
    "adalora of 3": (AdaLoRA(3, alpha=5.0),),
    "vera of 2": (VeRA(2),),
    "vera of 3": (VeRA(3, projection_seed=1),),
    "bottleneck of 2": (Bottleneck(2, form="pfeiffer"),),
    "bottleneck of 5": (Bottleneck(5, form="pfeiffer"),),
    "soft prompt, ia3, rank 2": (SoftPrompt(2), IA3(), LoRA(2)),
    "prefix made by an mlp, soft prompt": (PrefixTuning(3, hidden=4), SoftPrompt(1)),
}


def adapters(params, methods, closing=(), mask=0) -> dict[str, Adapter]:
    """One for each of `methods`, moved off its start; openings and labels of neighbours differ."""
    draw, made = np.random.default_rng(0), {}
    for place, (name, own) in enumerate(methods.items()):
        labels = (LABELS, THREE)[place % 2]
        words = Words(("5", "6", "7")[: len(labels.length)], lambda text: [int(text)])
        leaves = {}
        for method in own:
            leaves |= add(method, jax.random.PRNGKey(place), params, words)
        moved = {p: np.asarray(x + 0.1 * draw.normal(size=x.shape), "f") for p, x in leaves.items()}
        opening = ([3], [3, 4, 8])[place % 2]
        made[name] = Adapter(own, moved, prompt_frame(opening, closing, mask), labels)
    return made


mixed = jax.jit(mixed_scores, static_argnums=(0, 1))


def check(model, params, made):
    """Every row by its own adapter, in a mixed batch and alone."""
    together = stack_adapters(model, jnp.float32, params, made)
    which = np.arange(2 * len(made), dtype=np.int32) * 7 % len(made)
    rows = batch(len(which))
    scores = np.asarray(mixed(model, jnp.float32, params, together, rows, which))
    for row, k in enumerate(which):
        one = list(made.values())[k]
        alone = jax.tree.map(lambda field, row=row: field[row : row + 1], rows)
        leaves = {**params, **one.leaves}
        expected = np.asarray(scored(model, one.methods, leaves, alone, one.frame, one.labels))[0]
        found = scores[row, : len(expected)]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5, err_msg=list(made)[k])
        assert np.all(scores[row, len(expected) :] == -np.inf)
    return together, rows, which, scores


QUICK = ("soft prompt of 3", "rank 2", "rank 4", "soft prompt, ia3, rank 2")


@pytest.mark.thorough
def test_a_mixed_batch_equals_one_adapter_at_a_time():
    model, params = decoder(layers=1)
    made = adapters(params, {name: METHODS[name] for name in QUICK})
    together, rows, which, scores = check(model, params, made)
    assert len(together.layers.kinds) == 2  # both ranks are of one kind
    order = np.random.default_rng(0).permutation(len(which))
    shuffled = jax.tree.map(lambda field: field[order], rows)
    again = mixed(model, jnp.float32, params, together, shuffled, which[order])
    np.testing.assert_allclose(again, scores[order], rtol=0, atol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "variant, closing, pool",
    [
        ("t5", [2], None),
        ("bert", [7, 5], None),
        ("bert", [5], "mean"),
        ("llama, grouped keys", [], None),
        ("llama, grouped keys", [5], "last"),
        ("gpt2", [], None),
    ],
)
def test_on_every_family(variant, closing, pool):
    model, params = checkpoints.drawn(variant)
    methods = {name: METHODS[name] for name in METHODS if name != "rank 1, elsewhere"}
    if pool:
        methods = {name: (Head(pool), *own) for name, own in methods.items()}
    check(model, params, adapters(params, methods, closing, mask=9))


@pytest.mark.parametrize("names", [("vera of 2", "vera of 3"), ("pissa of 2", "pissa of 3")])
def test_adapters_with_frozen_leaves_share_a_batch(names):
    model, params = decoder(layers=1)
    together, *_ = check(model, params, adapters(params, {name: METHODS[name] for name in names}))
    assert len(together.layers.kinds) == 1  # one program for both ranks


def test_what_cannot_share_a_batch_is_refused():
    model, params = decoder(layers=1)
    made = adapters(params, {"rank 2": METHODS["rank 2"]})
    whole = made["rank 2"]._replace(leaves={"final_norm/scale": params["final_norm/scale"]})
    with pytest.raises(InputError, match="adapter is 'full': it trained leaves of the backbone"):
        stack_adapters(model, jnp.float32, params, {**made, "full": whole})
    headed = Adapter((Head(),), {"head:/bias": np.zeros(3, "f")}, prompt_frame([3]), LABELS)
    with pytest.raises(InputError, match="head has 3 classes, its labels are 2"):
        stack_adapters(model, jnp.float32, params, {**made, "headed": headed})
    closed = made["rank 2"]._replace(frame=prompt_frame([3], [4]))
    with pytest.raises(InputError, match="adapter is 'other': what closes its prompts"):
        stack_adapters(model, jnp.float32, params, {**made, "other": closed})


@pytest.mark.thorough
@pytest.mark.parametrize("own", [(LoRA(8),), (SoftPrompt(20),)], ids=["lora", "soft prompt"])
def test_sixteen_adapters_cost_what_one_does(own):
    """FLOPs of the compiled programs, for 32 rows of 32 tokens."""
    model, params = decoder(vocab_size=512, width=96, heads=4, head_width=24, hidden=256)
    made = adapters(params, {str(i): own for i in range(16)})
    rows, one = batch(32, width=32), made["0"]
    together = jax.device_put(stack_adapters(model, jnp.float32, params, made))
    which = np.arange(32, dtype=np.int32) % 16
    several = mixed.lower(model, jnp.float32, params, together, rows, which).compile()
    leaves = {**params, **one.leaves}
    alone = scored.lower(model, one.methods, leaves, rows, one.frame, THREE).compile()
    assert compiled_cost(several)["flops"] < 1.1 * compiled_cost(alone)["flops"]

"""Every method, with its defaults, finds what it adapts in every family."""

from itertools import product

import jax
import pytest

from research.methods import METHODS
from research.methods.shared.leaves import add, mask
from research.methods.shared.patterns import FUSED
from tests import checkpoints
from tests.thorough import cases
from tests.tiny import WORDS

FAMILIES = ("llama, grouped keys", "mistral", "qwen3, grouped keys, tied", "gpt2", "t5", "bert")
FAMILIES += ("roberta", "t5 encoder")
# Llama and its kin have no biases, T5 neither; a head reads an encoder.
WITHOUT = {("bitfit", name) for name in (*FAMILIES[:3], "t5", "t5 encoder")}
WITHOUT |= {("head", name) for name in FAMILIES[:5]}
RELATIVES = ("olmo2", "smollm3", "granite", "phi3", "gemma2", "gemma3")  # of Llama
WITHOUT |= {*product(("bitfit", "head"), RELATIVES), ("head", "gpt_neox")}


QUICK = [pair for pair in product(METHODS, FAMILIES) if pair not in WITHOUT]
# Whose one layer makes fewer keys than queries, and whose makes them head by head.
QUICK += product(("ia3", "lora", "prefix"), ("phi3", "gpt_neox"))
ALL = product(METHODS, (*FAMILIES, *RELATIVES, "gpt_neox"))
PAIRS = cases([pair for pair in ALL if pair not in WITHOUT], QUICK)


@pytest.mark.parametrize("pair", PAIRS, ids=", ".join)
def test_defaults_add_and_train_something(pair):
    name, variant = pair
    model, params = checkpoints.drawn(variant)
    method = METHODS[name]()
    leaves = params | add(method, jax.random.PRNGKey(0), params, WORDS)
    trained = {path for path, is_so in mask((method,), leaves).items() if is_so}
    depth = {path.split("layers_")[1][0] for path in params if "layers_" in path}
    layers = {path.split("layers_")[1].split("/")[0] for path in trained if "layers_" in path}
    if name in ("lora", "dora"):
        fused = {name for name in FUSED if any(f"/{name}/" in path for path in params)}
        assert {path.split("/")[-2] for path in trained} == (fused or {"query", "value"})
        assert layers == depth
    elif name == "last_layers":
        assert layers == {max(depth)}
    elif name in ("full", "bitfit", "norms", "selected"):
        assert layers == depth and trained <= params.keys()
    else:
        added = leaves.keys() - params.keys()
        assert added and trained - added == (
            {path for path in params if "_norm/" in path} if name == "bottleneck" else set()
        )

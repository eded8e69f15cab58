"""Logits of an adapted model, for inputs as `tests.checkpoints.inputs` makes them."""

import jax
import jax.numpy as jnp
import numpy as np

from research.methods.adapted import Adapted
from research.methods.dora import DoRA
from research.methods.encoder_output import cross_memory, encode_rows, pooled_states
from research.methods.full import Full
from research.methods.head import Head
from research.methods.ia3 import IA3
from research.methods.lora import LoRA
from research.methods.lora_fa import LoRAFA
from research.methods.prefix import PrefixTuning
from research.methods.soft_prompt import SoftPrompt
from tests import checkpoints

NOTHING = np.zeros(0, np.int32)  # an opening
TARGETS = {"bert": ("query", "up"), "roberta": ("value", "out")}
TARGETS |= dict.fromkeys(("gpt2", "phi3"), ("qkv", "down"))
TARGETS["gpt_neox"] = ("qkv_by_head", "down")


def method(kind: str, family: str = "llama"):
    """The methods that `kind` names, such as `lora, head`."""
    options = dict(rank=3, alpha=5.0, targets=TARGETS.get(family, ("query", "value", "down")))
    known = {"lora": LoRA(**options), "dora": DoRA(**options), "ia3": IA3()}
    known |= {"soft_prompt": SoftPrompt(4), "prefix": PrefixTuning(3)}
    known |= {"lora_fa": LoRAFA(**options), "pissa": LoRA(**options, start="pissa")}
    known |= {"full": Full(), "head": Head()}
    return tuple(known[name] for name in kind.split(", "))


def adapted_logits(model, methods, leaves, given) -> np.ndarray:
    """[3, 24, V] of tokens, [3, 7, V] of a decoder that reads an encoder, [3, C] of classes; of an
    encoder without an output layer the hidden states [3, 24, D].
    """
    return np.asarray(jax.jit(_logits, static_argnums=0)(model, methods, leaves, given))


def _logits(model, methods, leaves, given) -> jax.Array:
    adapted = Adapted(model, methods, leaves)
    tokens, valid, none = given["tokens"], given["valid"], jnp.zeros((), jnp.int32)
    if adapted.route == "causal":
        memories, offset = adapted.prefix(NOTHING, none)
        hidden, _ = adapted.rows(tokens, valid, _places(offset, tokens), memories)
        return adapted.logits(hidden)
    read = encode_rows(adapted, tokens, valid, NOTHING, none, given.get("types"))
    if adapted.route == "head":
        return adapted.classes(pooled_states(adapted, read))
    if adapted.route == "masked":
        hidden = read.hidden[:, read.prompt_embeddings :]
        return adapted.logits(hidden) if checkpoints.has_logits(model) else hidden
    target, (memories, offset) = given["target"], adapted.layer_prefixes()
    places, cross = _places(offset, target), cross_memory(adapted, read)
    hidden, _ = adapted.rows(target, given["target_valid"], places, memories, cross)
    return adapted.logits(hidden)


def _places(offset, tokens) -> jax.Array:
    row = offset + jnp.arange(tokens.shape[1], dtype=jnp.int32)[None]
    return jnp.broadcast_to(row, tokens.shape)

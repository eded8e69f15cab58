"""Checkpoints in Hugging Face format, tiny and random, one for every variant of every family.

Their weights are a function of the names and shapes of the tensors, so that PyTorch, our code and
the golden files all speak of the same model and nothing but a config has to be stored.
"""

import json
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from research.models import MODELS, Model
from research.models.backbone import shapes
from research.models.bert.model import EncoderModel
from research.models.checkpoint.weights import SINGLE, write_weights

LLAMA = dict(
    architectures=["LlamaForCausalLM"],
    model_type="llama",
    vocab_size=61,
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=4,
    max_position_embeddings=64,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
GPT2 = dict(
    architectures=["GPT2LMHeadModel"],
    model_type="gpt2",
    vocab_size=61,
    n_embd=24,
    n_layer=2,
    n_head=4,
    n_positions=32,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
BERT = dict(
    architectures=["BertForMaskedLM"],
    model_type="bert",
    vocab_size=61,
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=32,
    type_vocab_size=2,
    pad_token_id=0,
)
ROBERTA = {
    **BERT,
    "architectures": ["RobertaForMaskedLM"],
    "model_type": "roberta",
    "type_vocab_size": 1,
    "pad_token_id": 1,
}
T5 = dict(
    architectures=["T5ForConditionalGeneration"],
    model_type="t5",
    vocab_size=61,
    d_model=16,
    d_kv=4,
    d_ff=40,
    num_layers=2,
    num_heads=4,
    relative_attention_num_buckets=8,
    relative_attention_max_distance=16,
    decoder_start_token_id=0,
    eos_token_id=1,
    pad_token_id=0,
)
OLMO2 = {**LLAMA, "architectures": ["Olmo2ForCausalLM"], "model_type": "olmo2"}
SMOLLM3 = {**LLAMA, "architectures": ["SmolLM3ForCausalLM"], "model_type": "smollm3"}
OLMO3 = {**LLAMA, "architectures": ["Olmo3ForCausalLM"], "model_type": "olmo3"}
PHI3 = {**LLAMA, "architectures": ["Phi3ForCausalLM"], "model_type": "phi3"}
GPT_NEOX = {
    **LLAMA,
    "architectures": ["GPTNeoXForCausalLM"],
    "model_type": "gpt_neox",
    "rotary_pct": 0.34,  # 2 of 6 numbers
}
GEMMA2 = {
    **LLAMA,
    "architectures": ["Gemma2ForCausalLM"],
    "model_type": "gemma2",
    "num_key_value_heads": 2,
    "head_dim": 10,
    "sliding_window": 5,
    "query_pre_attn_scalar": 12,
    "attn_logit_softcapping": 3.0,
    "final_logit_softcapping": 4.0,
}
GEMMA3 = {
    **LLAMA,
    "architectures": ["Gemma3ForCausalLM"],
    "model_type": "gemma3_text",
    "num_key_value_heads": 2,
    "head_dim": 10,
    "sliding_window": 5,
    "query_pre_attn_scalar": 12,
}
GRANITE = {
    **LLAMA,
    "architectures": ["GraniteForCausalLM"],
    "model_type": "granite",
    "attention_multiplier": 0.7,
    "embedding_multiplier": 1.5,
    "residual_multiplier": 0.6,
    "logits_scaling": 2.5,
}
QWEN2 = {**LLAMA, "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}
# The fields of each variant's config.json.
VARIANTS: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "llama, grouped keys": {**LLAMA, "num_key_value_heads": 2},
    "llama, one key head, tied": {**LLAMA, "num_key_value_heads": 1, "tie_word_embeddings": True},
    "llama, biases": {
        **LLAMA,
        "attention_bias": True,
        "mlp_bias": True,
        "num_key_value_heads": 2,
    },
    "llama, wide heads, other base": {
        **LLAMA,
        "head_dim": 10,
        "rms_norm_eps": 1e-3,
        "rope_parameters": {"rope_type": "default", "rope_theta": 300.0},
    },
    "llama, narrow heads": {
        **LLAMA,
        "head_dim": 2,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
    "gpt2": GPT2,
    "gpt2, untied, n_inner": {
        **GPT2,
        "tie_word_embeddings": False,
        "n_inner": 40,
        "n_head": 2,
        "layer_norm_epsilon": 1e-2,
        "activation_function": "gelu",
        "reorder_and_upcast_attn": True,
    },
    "bert": BERT,
    "bert, approximate gelu, wider norm": {
        **BERT,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-2,
        "type_vocab_size": 3,
        "num_attention_heads": 2,
    },
    "bert, quick gelu": {**BERT, "hidden_act": "quick_gelu"},
    "roberta": ROBERTA,
    "roberta, relu, late positions": {**ROBERTA, "hidden_act": "relu", "pad_token_id": 2},
    "t5": T5,
    "t5 1.1": {
        **T5,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "d_kv": 3,
        "num_heads": 6,
        "num_decoder_layers": 3,
        "relative_attention_num_buckets": 6,
        "relative_attention_max_distance": 5,
        "layer_norm_epsilon": 1e-2,
    },
    "t5 encoder": {**T5, "architectures": ["T5EncoderModel"], "is_encoder_decoder": False},
    "t5 1.1 encoder": {
        **T5,
        "architectures": ["T5EncoderModel"],
        "feed_forward_proj": "gated-gelu",
        "d_kv": 3,
        "num_heads": 6,
        "layer_norm_epsilon": 1e-2,
    },
    "llama, llama3 frequencies": {
        **LLAMA,
        # Of the four pairs of a head, one turns too often to be slowed and two seldom enough.
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 20.0,
            "factor": 8.0,
            "low_freq_factor": 0.8,
            "high_freq_factor": 2.0,
            "original_max_position_embeddings": 16,
        },
    },
    "llama, linear frequencies": {
        **LLAMA,
        "num_key_value_heads": 2,
        "rope_theta": 300.0,
        "rope_scaling": {"type": "linear", "factor": 3.0},
    },
    "llama, dynamic frequencies": {
        **LLAMA,
        "rope_theta": 300.0,
        "rope_scaling": {"type": "dynamic", "factor": 3.0},
    },
    "llama, yarn": {
        **LLAMA,
        "head_dim": 16,
        "rope_theta": 50.0,
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 16,
            "beta_fast": 4.0,
        },
    },
    "llama, yarn by other numbers": {
        **LLAMA,
        "head_dim": 16,
        "rope_parameters": {
            "rope_type": "yarn",
            "rope_theta": 20.0,
            "factor": 8.0,
            "original_max_position_embeddings": 32,
            "beta_fast": 3.0,
            "beta_slow": 0.5,
            "mscale": 1.0,
            "mscale_all_dim": 0.5,
            "truncate": False,
        },
    },
    "llama, longrope": {
        **LLAMA,
        "rope_theta": 300.0,
        "original_max_position_embeddings": 32,
        "rope_scaling": {
            "rope_type": "longrope",
            "short_factor": [1.0, 1.3, 2.1],
            "long_factor": [1.5, 4.0, 9.0],
        },
    },
    "mistral": {
        **LLAMA,
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "num_key_value_heads": 2,
        "sliding_window": 5,
    },
    "mistral, no window, wide heads": {
        **LLAMA,
        "architectures": ["MistralForCausalLM"],
        "model_type": "mistral",
        "head_dim": 10,
        "sliding_window": None,
    },
    "qwen2": {**QWEN2, "sliding_window": 5, "tie_word_embeddings": True},
    "qwen2, windows in upper layers": {
        **QWEN2,
        "num_hidden_layers": 3,
        "use_sliding_window": True,
        "sliding_window": 4,
        "max_window_layers": 1,
    },
    "qwen3, grouped keys, tied": {
        **LLAMA,
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "num_key_value_heads": 2,
        "head_dim": 10,
        "tie_word_embeddings": True,
    },
    "qwen3, biases, windows in some layers": {
        **LLAMA,
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "num_hidden_layers": 3,
        "head_dim": 4,
        "attention_bias": True,
        "rms_norm_eps": 1e-3,
        "use_sliding_window": True,
        "sliding_window": 3,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
    "olmo2": OLMO2,
    "olmo2, grouped keys, biases, tied": {
        **OLMO2,
        "num_key_value_heads": 2,
        "head_dim": 10,
        "attention_bias": True,
        "tie_word_embeddings": True,
        "rms_norm_eps": 1e-3,
        "rope_parameters": {"rope_type": "default", "rope_theta": 300.0},
    },
    "smollm3": {**SMOLLM3, "num_key_value_heads": 2, "no_rope_layer_interval": 2},
    "smollm3, biases, untied": {
        **SMOLLM3,
        "num_hidden_layers": 3,
        "tie_word_embeddings": False,
        "attention_bias": True,
        "mlp_bias": True,
        "no_rope_layers": [0, 1, 0],
        "rope_theta": 300.0,
    },
    "granite": GRANITE,
    "granite, biases, tied": {
        **GRANITE,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
        "attention_bias": True,
        "mlp_bias": True,
        "attention_multiplier": 0.125,
        "embedding_multiplier": 12,
        "residual_multiplier": 0.22,
        "logits_scaling": 8,
    },
    "olmo3": {**OLMO3, "sliding_window": 5, "num_hidden_layers": 4},
    "olmo3, yarn beyond windows": {
        **OLMO3,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "sliding_window": 3,
        "layer_types": ["full_attention", "sliding_attention"],
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 16,
            "beta_fast": 4.0,
        },
    },
    "phi3": {**PHI3, "num_key_value_heads": 2, "sliding_window": 5},
    "phi3, longrope, partial rotary": {
        **PHI3,
        "num_key_value_heads": 1,
        "tie_word_embeddings": True,
        "hidden_size": 32,
        "partial_rotary_factor": 0.75,
        "original_max_position_embeddings": 32,
        "rope_scaling": {
            "type": "longrope",
            "short_factor": [1.0, 1.3, 2.1],
            "long_factor": [1.5, 4.0, 9.0],
        },
    },
    "gpt_neox": GPT_NEOX,
    "gpt_neox, one after the other, no biases, tied": {
        **GPT_NEOX,
        "use_parallel_residual": False,
        "attention_bias": False,
        "tie_word_embeddings": True,
        "hidden_act": "gelu_new",
        "layer_norm_eps": 1e-2,
        "rotary_emb_base": 300,
        "rotary_pct": 1.0,
        "num_attention_heads": 2,
    },
    "gemma2": GEMMA2,
    "gemma2, biases, untied, other caps": {
        **GEMMA2,
        "tie_word_embeddings": False,
        "attention_bias": True,
        "num_key_value_heads": 1,
        "hidden_activation": "silu",
        "query_pre_attn_scalar": 20,
        "attn_logit_softcapping": 0.8,
        "final_logit_softcapping": None,
        "layer_types": ["full_attention", "full_attention"],
        "rms_norm_eps": 1e-3,
    },
    "gemma3": {**GEMMA3, "num_hidden_layers": 3, "sliding_window_pattern": 3},
    "gemma3, linear frequencies, capped": {
        **GEMMA3,
        "num_key_value_heads": 1,
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_theta": 300.0,
        "rope_local_base_freq": 20.0,
        "rope_scaling": {"rope_type": "linear", "factor": 3.0},
        "final_logit_softcapping": 5.0,
        "sliding_window": 3,
    },
}


def write(folder: Path, variant: str) -> Path:
    """Writes the variant's checkpoint into `folder`, which is made; returns the folder."""
    model, leaves = drawn(variant)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(VARIANTS[variant]))
    write_weights(folder / SINGLE, model.KEY_MAP, leaves, np.float32)
    return folder


def drawn(variant: str, **changes: Any) -> tuple[Model, dict[str, np.ndarray]]:
    """The variant's model, with some fields changed, and its parameters."""
    fields = VARIANTS[variant] | changes
    model = MODELS[fields["model_type"]].from_hf(fields)
    leaves = {}
    for path, shape in shapes(model).items():
        draw = np.random.default_rng(zlib.crc32(path.encode()))
        # Large enough that attention is far from uniform; norms are about 1.
        leaves[path] = draw.normal(path.endswith("scale"), 0.3, shape).astype(np.float32)
    return model, leaves


def inputs(model) -> dict[str, np.ndarray]:
    """Rows of 24, 13 and 1 tokens: tokens [3, 24], valid [3, 24], and what the family reads too."""
    draw = np.random.default_rng(0)
    size = model.config.vocab_size
    given = {
        "tokens": draw.integers(3, size, (3, 24)).astype(np.int32),
        "valid": np.arange(24)[None] < np.asarray([24, 13, 1])[:, None],
    }
    if model.ROUTE == "seq2seq":  # the decoder's rows have 7, 7 and 3 tokens
        given["target"] = draw.integers(3, size, (3, 7)).astype(np.int32)
        given["target_valid"] = np.arange(7)[None] < np.asarray([7, 7, 3])[:, None]
    if isinstance(model, EncoderModel):  # two segments, where the model has more than one
        given["types"] = (np.arange(24)[None] >= np.asarray([9, 5, 1])[:, None]).astype(np.int32)
        given["types"] = np.minimum(given["types"], model.config.types - 1)
    return given


def has_logits(model) -> bool:
    """Whether the model has an output layer."""
    return model.ROUTE != "masked" or model.config.masked_lm


@partial(jax.jit, static_argnums=0)
def logits(model, leaves, given) -> jax.Array:
    """[3, 24, V], or [3, 7, V] of a decoder that reads an encoder; of an encoder without an output
    layer the hidden states [3, 24, D].
    """

    def apply(*args, method="__call__"):
        return model.apply({"params": unflatten_dict(leaves, sep="/")}, *args, method=method)

    tokens, valid = given["tokens"], given["valid"]
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1], dtype=jnp.int32)[None], tokens.shape)
    if model.ROUTE == "causal":
        hidden, _ = apply(tokens, positions, valid)
    elif model.ROUTE == "masked":
        hidden = apply(tokens, positions, valid, given.get("types"))
    else:
        encoded = apply(tokens, positions, valid, method="encode")
        cross = apply(encoded, positions, valid, method="cross_memories")
        places = jnp.broadcast_to(jnp.arange(7, dtype=jnp.int32)[None], given["target"].shape)
        hidden, _ = apply(given["target"], places, given["target_valid"], (), cross)
    if not has_logits(model):
        return hidden
    return apply(hidden, method="logits")


def outputs_valid(given) -> np.ndarray:
    """Which of the positions of `logits` are real."""
    return given.get("target_valid", given["valid"])


def labels(model, given) -> np.ndarray:
    """A random target for each of the positions of `logits`."""
    draw = np.random.default_rng(1)
    size = model.config.vocab_size if has_logits(model) else model.config.width
    return draw.integers(0, size, outputs_valid(given).shape)


@partial(jax.jit, static_argnums=0)
def loss_and_grads(model, leaves, given, labels):
    """((cross-entropy summed over the real positions, logits), gradient by leaf)."""

    def loss(leaves):
        found = logits(model, leaves, given)
        chosen = jnp.take_along_axis(found, labels[..., None], axis=-1)[..., 0]
        each = jax.nn.logsumexp(found, axis=-1) - chosen
        return jnp.where(outputs_valid(given), each, 0.0).sum(), found

    return jax.value_and_grad(loss, has_aux=True)(leaves)

"""Names of a decoder's leaves in checkpoints of Llama and its relatives."""

from research.models.checkpoint.key_map import Key, KeyMap

BLOCK = "model.layers.{i}"
ATTENTION, MLP = f"{BLOCK}.self_attn", f"{BLOCK}.mlp"

ATTENTION_KEYS = (
    Key("model.embed_tokens.weight", "embed/embedding"),
    Key(f"{BLOCK}.input_layernorm.weight", "layers_{i}/attention_norm/scale"),
    Key(f"{ATTENTION}.q_proj.weight", "layers_{i}/attention/query/kernel", True),
    Key(f"{ATTENTION}.k_proj.weight", "layers_{i}/attention/key/kernel", True),
    Key(f"{ATTENTION}.v_proj.weight", "layers_{i}/attention/value/kernel", True),
    Key(f"{ATTENTION}.o_proj.weight", "layers_{i}/attention/out/kernel", True),
    Key(f"{ATTENTION}.qkv_proj.weight", "layers_{i}/attention/qkv/kernel", True),
    Key(f"{ATTENTION}.q_proj.bias", "layers_{i}/attention/query/bias"),
    Key(f"{ATTENTION}.k_proj.bias", "layers_{i}/attention/key/bias"),
    Key(f"{ATTENTION}.v_proj.bias", "layers_{i}/attention/value/bias"),
    Key(f"{ATTENTION}.o_proj.bias", "layers_{i}/attention/out/bias"),
    Key(f"{ATTENTION}.q_norm.weight", "layers_{i}/attention/query_norm/scale"),
    Key(f"{ATTENTION}.k_norm.weight", "layers_{i}/attention/key_norm/scale"),
)
# The norm before the MLP alone, and the three norms of layers whose outputs have norms too.
MLP_NORM = (Key(f"{BLOCK}.post_attention_layernorm.weight", "layers_{i}/mlp_norm/scale"),)
OUTPUT_NORMS = (
    Key(f"{BLOCK}.post_attention_layernorm.weight", "layers_{i}/attention_post_norm/scale"),
    Key(f"{BLOCK}.pre_feedforward_layernorm.weight", "layers_{i}/mlp_norm/scale"),
    Key(f"{BLOCK}.post_feedforward_layernorm.weight", "layers_{i}/mlp_post_norm/scale"),
)
MLP_KEYS = (
    Key(f"{MLP}.gate_proj.weight", "layers_{i}/mlp/gate/kernel", True),
    Key(f"{MLP}.up_proj.weight", "layers_{i}/mlp/up/kernel", True),
    Key(f"{MLP}.down_proj.weight", "layers_{i}/mlp/down/kernel", True),
    Key(f"{MLP}.gate_up_proj.weight", "layers_{i}/mlp/gate_up/kernel", True),
    Key(f"{MLP}.gate_proj.bias", "layers_{i}/mlp/gate/bias"),
    Key(f"{MLP}.up_proj.bias", "layers_{i}/mlp/up/bias"),
    Key(f"{MLP}.down_proj.bias", "layers_{i}/mlp/down/bias"),
    Key("model.norm.weight", "final_norm/scale"),
    Key("lm_head.weight", "head/kernel", True),
)
KEY_MAP = KeyMap(
    (*ATTENTION_KEYS, *MLP_NORM, *MLP_KEYS),
    copies={"lm_head.weight": "model.embed_tokens.weight"},
    ignored=(  # buffers that old checkpoints hold
        "model.layers.{i}.self_attn.rotary_emb.inv_freq",
        "model.rotary_emb.inv_freq",
    ),
    base="model.",
)
WITH_OUTPUT_NORMS = KEY_MAP._replace(keys=(*ATTENTION_KEYS, *OUTPUT_NORMS, *MLP_KEYS))

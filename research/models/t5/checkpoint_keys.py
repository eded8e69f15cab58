"""Names of leaves in checkpoints of the T5 family."""

from collections.abc import Mapping

from research.models.checkpoint.key_map import Key, KeyMap


def _attention_keys(tensor: str, leaf: str) -> tuple[Key, ...]:
    names = {"q": "query", "k": "key", "v": "value", "o": "out"}
    return tuple(
        Key(f"{tensor}.{short}.weight", f"{leaf}/{long}/kernel", True)
        for short, long in names.items()
    )


def _stack_keys(stack: str, mlp: int, mlp_names: Mapping[str, str]) -> tuple[Key, ...]:
    """The keys of the encoder or decoder, whose MLP is sub-layer `mlp` of a block."""
    block, layer = f"{stack}.block.{{i}}.layer", f"{stack}/layers_{{i}}"
    bias = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    return (
        *_attention_keys(f"{block}.0.SelfAttention", f"{layer}/attention"),
        Key(f"{block}.0.layer_norm.weight", f"{layer}/attention_norm/scale"),
        *(
            Key(f"{block}.{mlp}.DenseReluDense.{tensor}.weight", f"{layer}/mlp/{leaf}/kernel", True)
            for tensor, leaf in mlp_names.items()
        ),
        Key(f"{block}.{mlp}.layer_norm.weight", f"{layer}/mlp_norm/scale"),
        Key(bias, f"{stack}/positions/embedding"),
        Key(f"{stack}.final_layer_norm.weight", f"{stack}/final_norm/scale"),
    )


def _key_map(mlp_names: Mapping[str, str]) -> KeyMap:
    cross = "decoder.block.{i}.layer.1"
    keys = (
        Key("shared.weight", "embed/embedding"),
        *_stack_keys("encoder", 1, mlp_names),
        *_stack_keys("decoder", 2, mlp_names),
        *_attention_keys(f"{cross}.EncDecAttention", "decoder/layers_{i}/cross"),
        Key(f"{cross}.layer_norm.weight", "decoder/layers_{i}/cross_norm/scale"),
        Key("lm_head.weight", "head/kernel", True),
    )
    copies = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight")
    # A bias of cross-attention in the first checkpoints, which no version of the model reads.
    unread = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    return KeyMap(keys, copies=dict.fromkeys(copies, "shared.weight"), ignored=(unread,))


PLAIN = _key_map({"wi": "up", "wo": "down"})
GATED = _key_map({"wi_0": "gate", "wi_1": "up", "wo": "down"})

"""The switches of the Llama family against a model of transformers that has them all but one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.models.layers.mlp import ACTIVATIONS
from research.models.layers.rope import Rope
from research.models.llama.config import DecoderConfig
from research.models.llama.model import Decoder

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

# Our leaf of a layer, theirs, and whether theirs is transposed.
LAYER = {
    "attention_norm/scale": ("input_layernorm", False),
    "attention_post_norm/scale": ("post_attention_layernorm", False),
    "mlp_norm/scale": ("pre_feedforward_layernorm", False),
    "mlp_post_norm/scale": ("post_feedforward_layernorm", False),
    "attention/query/kernel": ("self_attn.q_proj", True),
    "attention/key/kernel": ("self_attn.k_proj", True),
    "attention/value/kernel": ("self_attn.v_proj", True),
    "attention/out/kernel": ("self_attn.o_proj", True),
    "mlp/gate/kernel": ("mlp.gate_proj", True),
    "mlp/up/kernel": ("mlp.up_proj", True),
    "mlp/down/kernel": ("mlp.down_proj", True),
}


def their_leaves(model):
    """Theirs by our paths. They scale embeddings by the root of the width; so is our table."""
    tensors = {name: tensor.detach().numpy() for name, tensor in model.state_dict().items()}
    width = model.config.hidden_size
    leaves = {
        "embed/embedding": tensors["model.embed_tokens.weight"] * np.float32(width**0.5),
        "final_norm/scale": tensors["model.norm.weight"],
        "head/kernel": tensors["lm_head.weight"].T,
    }
    for index in range(model.config.num_hidden_layers):
        for ours, (name, transposed) in LAYER.items():
            tensor = tensors[f"model.layers.{index}.{name}.weight"]
            leaves[f"layers_{index}/{ours}"] = tensor.T if transposed else tensor
    return leaves


def test_gemma_2_is_llama_with_other_switches():
    torch.manual_seed(0)
    theirs = transformers.Gemma2ForCausalLM(
        transformers.Gemma2Config(
            vocab_size=29,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=12,
            intermediate_size=48,
            max_position_embeddings=64,
            query_pre_attn_scalar=20,
            attn_logit_softcapping=0.8,
            final_logit_softcapping=None,
            sliding_window=3,
            layer_types=["sliding_attention", "full_attention"],
            tie_word_embeddings=False,
            attn_implementation="eager",
        )
    ).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.normal_(0, 0.3)
    config = DecoderConfig(
        29,
        32,
        2,
        4,
        2,
        12,
        48,
        64,
        rope=Rope(theta=10000.0),
        norm_eps=1e-6,
        model_type="qwen3",  # the one whose layers may differ by their windows
        window=3,
        windowed=(0,),
        activation="gelu_pytorch_tanh",
        norm_offset=1.0,
        post_norms=True,
        score_cap=0.8,
        query_scale=20**-0.5,
    )
    model, leaves = Decoder(config), their_leaves(theirs)
    tokens = np.random.default_rng(0).integers(0, 29, (3, 11)).astype(np.int32)
    positions = np.tile(np.arange(11, dtype=np.int32), (3, 1))
    variables = {"params": unflatten_dict(leaves, sep="/")}
    hidden, _ = model.apply(variables, tokens, positions, np.ones(tokens.shape, bool))
    ours = model.apply(variables, hidden, method="logits")
    with torch.no_grad():
        expected = theirs(torch.tensor(tokens, dtype=torch.long)).logits.numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(ours, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    """Values and slopes of those that a config.json may name."""
    x = np.linspace(-8, 8, 401, dtype=np.float32)
    theirs = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    value = transformers.activations.ACT2FN[name](theirs)
    value.sum().backward()
    ours, slope = jax.jvp(ACTIVATIONS[name], (jnp.asarray(x),), (jnp.ones_like(x),))
    np.testing.assert_allclose(ours, value.detach().numpy(), atol=1e-5, rtol=1e-6)
    assert theirs.grad is not None
    np.testing.assert_allclose(slope, theirs.grad.numpy(), atol=1e-5, rtol=1e-6)

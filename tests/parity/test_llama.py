"""Our decoder against LlamaForCausalLM of transformers, in float32."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.models.backbone import load_backbone, load_tokenizer, save_backbone

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TINY = dict(
    vocab_size=61,
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=4,
    max_position_embeddings=64,
    pad_token_id=None,
)
VARIANTS = {
    "plain": {},
    "grouped keys": {"num_key_value_heads": 2},
    "one key head, tied": {"num_key_value_heads": 1, "tie_word_embeddings": True},
    "biases": {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 2},
    "wide heads, other base": {
        "head_dim": 10,
        "rms_norm_eps": 1e-3,
        "rope_parameters": {"rope_type": "default", "rope_theta": 300.0},
    },
    "narrow heads": {"head_dim": 2, "num_key_value_heads": 2, "tie_word_embeddings": True},
}
REAL = ["reviews-lm", "stories260K", "tinystories-656k"]


def theirs(folder):
    return transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """`write(variant)`: a folder with a random model that transformers saved."""

    def checkpoint(variant):
        torch.manual_seed(0)
        model = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**{**TINY, **VARIANTS[variant]})
        )
        for parameter in model.parameters():  # biases start at 0 and norms at 1
            torch.nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.3)
        folder = tmp_path_factory.mktemp("model")
        model.save_pretrained(folder)
        return folder

    return checkpoint


def batch(vocabulary):
    """Tokens [3, 24] and which of them are real: rows of 24, 13 and 1."""
    tokens = np.random.default_rng(0).integers(0, vocabulary, (3, 24)).astype(np.int32)
    return tokens, np.arange(24)[None] < np.asarray([24, 13, 1])[:, None]


@partial(jax.jit, static_argnums=0)
def our_logits(model, params, tokens, valid):
    variables = {"params": unflatten_dict(params, sep="/")}
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1], dtype=jnp.int32)[None], tokens.shape)
    hidden, _ = model.apply(variables, tokens, positions, valid)
    return model.apply(variables, hidden, method="logits")


def their_logits(model, tokens, valid):
    return model(
        input_ids=torch.tensor(tokens, dtype=torch.long), attention_mask=torch.tensor(valid).long()
    ).logits


def assert_equal_logits(folder, atol=1e-4):
    backbone = load_backbone(str(folder))
    tokens, valid = batch(backbone.model.config.vocab_size)
    ours = our_logits(backbone.model, backbone.params, tokens, valid)
    with torch.no_grad():
        expected = their_logits(theirs(folder), tokens, valid).numpy()
    assert expected[valid].std() > 0.1
    np.testing.assert_allclose(np.asarray(ours)[valid], expected[valid], atol=atol, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_of_random_models(write, variant):
    assert_equal_logits(write(variant))


@pytest.mark.parametrize("name", REAL)
def test_logits_of_real_models(shared, name):
    assert_equal_logits(shared / "models" / name)


def test_a_config_of_older_versions_means_the_same(write):
    folder = write("wide heads, other base")
    config = folder / "config.json"
    fields = transformers.LlamaConfig.from_json_file(config).to_dict()
    del fields["rope_parameters"]
    older = {**fields, "rope_theta": 300.0, "rope_scaling": None, "torch_dtype": "float32"}
    before = load_backbone(str(folder)).model.config
    config.write_text(json.dumps(older))
    assert load_backbone(str(folder)).model.config == before
    assert_equal_logits(folder)


def test_left_padded_rows_continued_after_a_memory(write):
    backbone = load_backbone(str(write("grouped keys")))
    tokens, _ = batch(61)
    valid = np.arange(24)[None] >= np.asarray([0, 5, 9])[:, None]
    positions = np.maximum(np.cumsum(valid, axis=1) - 1, 0).astype(np.int32)
    variables = {"params": unflatten_dict(backbone.params, sep="/")}
    half = (tokens[:, :12], positions[:, :12], valid[:, :12])
    rest = (tokens[:, 12:], positions[:, 12:], valid[:, 12:])
    _, memory = backbone.model.apply(variables, *half)
    hidden, _ = backbone.model.apply(variables, *rest, (memory,))
    ours = backbone.model.apply(variables, hidden, method="logits")
    with torch.no_grad():
        expected = theirs(backbone.name)(
            input_ids=torch.tensor(tokens, dtype=torch.long),
            attention_mask=torch.tensor(valid).long(),
            position_ids=torch.tensor(positions, dtype=torch.long),
        ).logits.numpy()
    np.testing.assert_allclose(ours, expected[:, 12:], atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", ["wide heads, other base", "one key head, tied", "biases"])
def test_what_we_save_is_the_same_model_to_transformers(write, tmp_path, variant):
    source = write(variant)
    backbone = load_backbone(str(source))
    save_backbone(tmp_path / "float32", backbone.model, backbone.params)
    tokens, valid = batch(61)
    with torch.no_grad():
        expected = their_logits(theirs(source), tokens, valid)
        again = their_logits(theirs(tmp_path / "float32"), tokens, valid)
    assert torch.equal(again, expected)
    save_backbone(tmp_path / "half", backbone.model, backbone.params, dtype="bfloat16")
    half = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "half", dtype="auto")
    for name, tensor in theirs(source).state_dict().items():
        assert torch.equal(half.state_dict()[name], tensor.bfloat16()), name


@pytest.mark.parametrize("name", ["reviews-lm", "tinystories-656k"])
def test_a_real_model_and_its_tokenizer_survive_our_export(shared, tmp_path, name):
    source = shared / "models" / name
    backbone = load_backbone(str(source))
    tokenizer = load_tokenizer(str(source), backbone.model)
    save_backbone(tmp_path / "model", backbone.model, backbone.params, tokenizer)
    tokens, valid = batch(2048)
    with torch.no_grad():
        expected = their_logits(theirs(source), tokens, valid)
        again = their_logits(theirs(tmp_path / "model"), tokens, valid)
    assert torch.equal(again, expected)
    text = "Once upon a time, there was a film\n that nobody had  seen."
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert loaded.encode(text) == tokenizer.encode(text)


@pytest.mark.parametrize("variant", ["plain", "one key head, tied", "biases"])
def test_gradients_of_the_loss(write, variant):
    backbone = load_backbone(str(write(variant)))
    tokens, valid = batch(61)
    counted = valid[:, 1:]

    def our_loss(params):
        logits = our_logits(backbone.model, params, tokens, valid)[:, :-1]
        chosen = jnp.take_along_axis(logits, jnp.asarray(tokens)[:, 1:, None], axis=-1)[..., 0]
        losses = jax.nn.logsumexp(logits, axis=-1) - chosen
        return jnp.where(counted, losses, 0.0).sum() / counted.sum()

    loss, grads = jax.value_and_grad(our_loss)(backbone.params)
    reference = theirs(backbone.name)
    labels = torch.tensor(np.where(valid, tokens, -100), dtype=torch.long)
    expected = reference(
        input_ids=torch.tensor(tokens, dtype=torch.long),
        attention_mask=torch.tensor(valid).long(),
        labels=labels,
    ).loss
    expected.backward()
    assert abs(float(loss) - expected.item()) < 1e-5 * expected.item()
    named = dict(reference.named_parameters())
    assert len(named) == len(grads)
    for path, grad in grads.items():
        key = backbone.model.LAYOUT.key(path)
        theirs_here = named[key.theirs].grad.numpy()
        ours_here = np.asarray(grad).T if key.transposed else np.asarray(grad)
        scale = np.abs(theirs_here).max()
        assert scale > 0
        np.testing.assert_allclose(ours_here, theirs_here, atol=1e-4 * scale, rtol=0, err_msg=path)

"""T5's encoder with a classification head against PyTorch: loss, gradients, twenty steps; files."""

import json

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from research.evaluation.batch import prompt_frame
from research.methods.full import Full
from research.methods.head import Head
from research.methods.lora import LoRA
from research.methods.shared.leaves import mask, split
from research.models.backbone import load_backbone
from research.models.t5.encoder import T5Encoder
from tests import checkpoints
from tests.parity.backbones import spread
from tests.tiny import loss_sum, with_method

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

from tests.parity.objective import CLOSING, rows_of  # noqa: E402
from tests.parity.reference import assert_equal_logits, their_logits, theirs  # noqa: E402
from tests.parity.trajectory import DECAY, STEPS, trained_here  # noqa: E402

VARIANTS = ["t5 encoder", "t5 1.1 encoder"]
FRAME = prompt_frame([], [CLOSING])


class Classifier(torch.nn.Module):
    """An encoder of torch and a head with the leaves of ours."""

    def __init__(self, encoder, leaves, pool):
        super().__init__()
        self.encoder, self.pool = encoder, pool
        head = {p.removeprefix("head:/"): x for p, x in leaves.items() if p.startswith("head:/")}
        self.head = torch.nn.ParameterDict(
            {n: torch.tensor(np.asarray(x)) for n, x in head.items()}
        )

    def forward(self, ids):
        hidden = self.encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        features = hidden.mean(1) if self.pool == "mean" else hidden[:, 0]
        if "dense" in self.head:
            features = torch.tanh(features @ self.head["dense"] + self.head["dense_bias"])
        return features @ self.head["kernel"] + self.head["bias"]


def their_loss(model, rows):
    """The summed negative log-probability of the classes, row by row and without padding."""
    total = torch.zeros(())
    for tokens, length, label in zip(rows.tokens, rows.prompt_length, rows.label, strict=True):
        ids = torch.tensor([[*map(int, tokens[:length]), CLOSING]])
        total = total - torch.log_softmax(model(ids), dim=-1)[0, int(label)]
    return total


def both_sides(folder, kind, pool):
    """(backbone, methods, leaves, the same in torch, {our path: its parameter there})."""
    backbone, encoder = load_backbone(str(folder)), theirs(folder)
    other = Full() if kind == "full" else LoRA(rank=3, alpha=5.0, targets=("query", "up"))
    methods, leaves = (Head(pool), other), dict(backbone.params)
    for method in methods:
        leaves = with_method(method, leaves, moved=spread(backbone))
    keys = {path: backbone.model.KEY_MAP.key(path) for path in backbone.params}
    if kind == "lora":
        targets = ["q", "wi", "wi_1"]
        config = peft.LoraConfig(r=3, lora_alpha=5, lora_dropout=0.0, target_modules=targets)
        encoder = peft.get_peft_model(encoder, config)
    model = Classifier(encoder, leaves, pool).eval()
    parameters = dict(model.named_parameters())
    pairs = {path: (parameters[f"head.{path[6:]}"], False) for path in leaves if "head:/" in path}
    for path in leaves:
        if path.startswith("lora:"):
            layer, _, factor = path.removeprefix("lora:").rpartition("/")
            module = keys[f"{layer}/kernel"].module
            name = f"encoder.base_model.model.{module}.lora_{factor.upper()}.default.weight"
            pairs[path] = (parameters[name], True)
            parameters[name].data = torch.tensor(np.asarray(leaves[path]).T.copy())
        elif kind == "full" and ":" not in path:
            pairs[path] = (parameters[f"encoder.{keys[path].tensor}"], keys[path].transposed)
    return backbone, methods, leaves, model, pairs


def as_ours(parameter, transposed):
    array = parameter.detach().numpy()
    return array.T if transposed else array


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("kind", "pool"), [("full", "mean"), ("lora", "first")])
def test_loss_and_gradients(checkpoint, variant, kind, pool):
    backbone, methods, leaves, model, pairs = both_sides(checkpoint(variant), kind, pool)
    rows = rows_of(backbone, 4)
    trained, frozen = split(leaves, mask(methods, leaves))
    assert trained.keys() == pairs.keys()

    def loss(trained):
        return loss_sum(backbone.model, methods, {**frozen, **trained}, rows, FRAME)

    value, gradients = jax.jit(jax.value_and_grad(loss))(trained)
    expected = their_loss(model, rows)
    expected.backward()
    assert float(value) == pytest.approx(expected.item(), rel=1e-5)
    for path, (parameter, transposed) in pairs.items():
        gradient = as_ours(parameter.grad, transposed)
        scale = np.abs(gradient).max()
        assert scale > 0, path
        np.testing.assert_allclose(
            gradients[path], gradient, atol=1e-4 * scale, rtol=0, err_msg=path
        )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("kind", "pool"), [("full", "mean"), ("lora", "first")])
def test_twenty_steps_of_adamw(checkpoint, variant, kind, pool, monkeypatch):
    backbone, methods, leaves, model, pairs = both_sides(checkpoint(variant), kind, pool)
    monkeypatch.setattr("tests.parity.trajectory.framed", lambda backbone: FRAME)
    batches = [rows_of(backbone, 4, seed=step % 3) for step in range(STEPS)]
    losses, trained = trained_here(backbone, methods, leaves, batches, rate=3e-3)
    parameters = [parameter for parameter, _ in pairs.values()]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.999), eps=1e-8)
    expected_losses = []
    for rows in batches:
        loss = their_loss(model, rows) / len(rows.label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected_losses.append(loss.item())
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-3)
    assert losses[-2] < 0.98 * losses[0], losses  # on the same batch
    for path, (parameter, transposed) in pairs.items():
        expected = as_ours(parameter, transposed)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(trained[path], expected, atol=1e-3 * scale, rtol=0, err_msg=path)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_transformers_saves_is_the_same_model(checkpoint, tmp_path, variant):
    folder = checkpoint(variant)
    theirs(folder).save_pretrained(tmp_path / "again")
    before, after = load_backbone(str(folder)), load_backbone(str(tmp_path / "again"))
    assert after.model == before.model
    for path, leaf in before.params.items():
        np.testing.assert_array_equal(after.params[path], leaf, err_msg=path)


def test_the_encoder_of_mt5(checkpoint):
    folder = checkpoint("t5 1.1 encoder")
    fields = json.loads((folder / "config.json").read_text())
    del fields["feed_forward_proj"]
    fields |= {"model_type": "mt5", "architectures": ["MT5EncoderModel"]}
    (folder / "config.json").write_text(json.dumps(fields))
    assert_equal_logits(folder)


def test_the_encoder_of_a_whole_checkpoint(checkpoint):
    """By its class alone: transformers leaves the decoder out as well."""
    folder = checkpoint("t5")
    fields = json.loads((folder / "config.json").read_text())
    fields["architectures"] = ["T5EncoderModel"]
    (folder / "config.json").write_text(json.dumps(fields))
    assert any("decoder" in name for name in load_file(folder / "model.safetensors"))
    backbone = load_backbone(str(folder))
    assert isinstance(backbone.model, T5Encoder)
    given = checkpoints.inputs(backbone.model)
    reference = transformers.T5EncoderModel.from_pretrained(folder).eval()
    expected = their_logits(reference, given).detach().numpy()
    ours = np.asarray(checkpoints.logits(backbone.model, backbone.params, given))
    valid = given["valid"]
    assert expected[valid].std() > 0.1
    np.testing.assert_allclose(ours[valid], expected[valid], atol=1e-4, rtol=0)

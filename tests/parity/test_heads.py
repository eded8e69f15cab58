"""Classification heads against PyTorch: loss, gradients, twenty steps."""

import jax
import numpy as np
import pytest

from research.evaluation.batch import PromptFrame, prompt_frame
from research.methods.full import Full
from research.methods.head import Head
from research.methods.lora import LoRA
from research.methods.shared.leaves import mask, split
from research.models.backbone import load_backbone
from tests.parity.backbones import spread
from tests.tiny import loss_sum, with_method

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from tests.parity.objective import CLOSING, rows_of  # noqa: E402
from tests.parity.reference import theirs  # noqa: E402
from tests.parity.trajectory import DECAY, STEPS, trained_here  # noqa: E402

# (variant, method, what the head reads, ids before every row)
CASES = [
    ("t5 encoder", "full", "mean", []),
    ("t5 encoder", "lora", "first", []),
    ("t5 1.1 encoder", "full", "mean", []),
    ("t5 1.1 encoder", "lora", "first", []),
    ("llama, one key head, tied", "full", "last", [7]),
    ("llama, one key head, tied", "lora", "last", [7, 9, 8]),
    ("gpt2", "full", "last", []),
]
MODULES = {"t5": ["q", "wi", "wi_1"], "llama": ["q_proj", "up_proj"]}
LORA = LoRA(rank=3, alpha=5.0, targets=("query", "up"))


def framed(prefix: list[int]) -> PromptFrame:
    return prompt_frame(prefix, [CLOSING])


class Classifier(torch.nn.Module):
    """A backbone of torch without output layer, and a head with the leaves of ours."""

    def __init__(self, body, leaves, pool):
        super().__init__()
        self.body, self.pool = body, pool
        head = {p.removeprefix("head:/"): x for p, x in leaves.items() if p.startswith("head:/")}
        self.head = torch.nn.ParameterDict(
            {n: torch.tensor(np.asarray(x)) for n, x in head.items()}
        )

    def forward(self, ids):
        hidden = self.body(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        pooled = {"mean": hidden.mean(1), "first": hidden[:, 0], "last": hidden[:, -1]}
        features = pooled[self.pool]
        if "dense" in self.head:
            features = torch.tanh(features @ self.head["dense"] + self.head["dense_bias"])
        return features @ self.head["kernel"] + self.head["bias"]


def their_loss(model, rows, prefix):
    """The summed negative log-probability of the classes, row by row and without padding."""
    total = torch.zeros(())
    for tokens, length, label in zip(rows.tokens, rows.prompt_length, rows.label, strict=True):
        ids = torch.tensor([[*prefix, *map(int, tokens[:length]), CLOSING]])
        total = total - torch.log_softmax(model(ids), dim=-1)[0, int(label)]
    return total


def both_sides(folder, kind, pool):
    """(backbone, methods, leaves, the same in torch, {our path: its parameter there})."""
    backbone, body = load_backbone(str(folder)), theirs(folder)
    body = getattr(body, body.base_model_prefix, body)
    other = Full() if kind == "full" else LORA
    methods, leaves = (Head(pool), other), dict(backbone.params)
    for method in methods:
        leaves = with_method(method, leaves, moved=spread(backbone))
    keys = {path: backbone.model.KEY_MAP.key(path) for path in backbone.params}
    if kind == "lora":
        modules = MODULES[body.config.model_type]
        config = peft.LoraConfig(r=3, lora_alpha=5, lora_dropout=0.0, target_modules=modules)
        body = peft.get_peft_model(body, config)
    model, base = Classifier(body, leaves, pool).eval(), backbone.model.KEY_MAP.base
    parameters = dict(model.named_parameters())
    pairs = {path: (parameters[f"head.{path[6:]}"], False) for path in leaves if "head:/" in path}
    for path in leaves:
        if path.startswith("lora:"):
            layer, _, factor = path.removeprefix("lora:").rpartition("/")
            module = keys[f"{layer}/kernel"].module.removeprefix(base)
            name = f"body.base_model.model.{module}.lora_{factor.upper()}.default.weight"
            pairs[path] = (parameters[name], True)
            parameters[name].data = torch.tensor(np.asarray(leaves[path]).T.copy())
        elif kind == "full" and ":" not in path:
            name = f"body.{keys[path].tensor.removeprefix(base)}"
            pairs[path] = (parameters[name], keys[path].transposed)
    return backbone, methods, leaves, model, pairs


def as_ours(parameter, transposed):
    array = parameter.detach().numpy()
    return array.T if transposed else array


@pytest.mark.parametrize(("variant", "kind", "pool", "prefix"), CASES)
def test_loss_and_gradients(checkpoint, variant, kind, pool, prefix):
    backbone, methods, leaves, model, pairs = both_sides(checkpoint(variant), kind, pool)
    rows = rows_of(backbone, 4)
    trained, frozen = split(leaves, mask(methods, leaves))
    assert trained.keys() == pairs.keys()

    def loss(trained):
        return loss_sum(backbone.model, methods, {**frozen, **trained}, rows, framed(prefix))

    value, gradients = jax.jit(jax.value_and_grad(loss))(trained)
    expected = their_loss(model, rows, prefix)
    expected.backward()
    assert float(value) == pytest.approx(expected.item(), rel=1e-5)
    for path, (parameter, transposed) in pairs.items():
        gradient = as_ours(parameter.grad, transposed)
        scale = np.abs(gradient).max()
        assert scale > 0, path
        np.testing.assert_allclose(
            gradients[path], gradient, atol=1e-4 * scale, rtol=0, err_msg=path
        )


# Without GPT-2: the gradients of its key biases are rounding errors, which AdamW scales to steps.
@pytest.mark.parametrize(("variant", "kind", "pool", "prefix"), CASES[:-1])
def test_twenty_steps_of_adamw(checkpoint, variant, kind, pool, prefix, monkeypatch):
    backbone, methods, leaves, model, pairs = both_sides(checkpoint(variant), kind, pool)
    monkeypatch.setattr("tests.parity.trajectory.framed", lambda backbone: framed(prefix))
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
        loss = their_loss(model, rows, prefix) / len(rows.label)
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

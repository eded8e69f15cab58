"""Scores of an item's own choices, and the loss that trains them, against PyTorch."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, batch_rows
from research.evaluation.predictor import AdaptedWeights
from research.evaluation.scoring import choice_logprobs
from research.methods.adapted import Adapted
from research.models.backbone import load_backbone
from research.tasks.encoding.encoded import Encoded, Labels, RowChoices
from tests.tiny import predictor

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.parity.objective import framed  # noqa: E402
from tests.parity.reference import theirs  # noqa: E402

ITEMS, MOST, LONGEST = 4, 3, 5


def items(vocabulary: int) -> Encoded:
    """Prompts of unequal length with two or three choices of unequal length."""
    draw, lowest = np.random.default_rng(0), 3 * vocabulary // 5
    prompts = draw.integers(5, 12, ITEMS).astype(np.int32)
    tokens = draw.integers(lowest, vocabulary, (ITEMS, 12)).astype(np.int32)
    length = draw.integers(1, LONGEST + 1, (ITEMS, MOST)).astype(np.int32)
    length[1, 2] = 0
    choices = draw.integers(lowest, vocabulary, (ITEMS, MOST, LONGEST)).astype(np.int32)
    own = RowChoices(Labels(choices, length), length, length)
    right = np.array([0, 1, 2, 1], np.int32)
    return Encoded(tokens, prompts, prompts, right, cut=0, choices=own)


def their_score(model, seq2seq: bool, prompt: list[int], target: list[int]):
    """Summed log-probability of a target after a prompt, in one pass of this text alone."""
    if seq2seq:
        shifted = torch.tensor([[model.config.decoder_start_token_id, *target[:-1]]])
        logits = model(input_ids=torch.tensor([prompt]), decoder_input_ids=shifted).logits[0]
    else:
        whole = torch.tensor([[*prompt, *target]])
        logits = model(input_ids=whole).logits[0, len(prompt) - 1 : -1]
    logprobs = torch.log_softmax(logits, dim=-1)
    return logprobs[torch.arange(len(target)), torch.tensor(target)].sum()


@pytest.mark.parametrize("name", ["llama, grouped keys", "gpt2", "t5"])
def test_choices_and_their_objective(checkpoint, name: str):
    folder = checkpoint(name)
    backbone, reference = load_backbone(str(folder)), theirs(folder)
    model, params = backbone.model, backbone.params
    rows, frame = items(model.config.vocab_size), framed(backbone)
    assert rows.choices is not None
    total = torch.zeros(())
    expected = np.full((ITEMS, MOST), -np.inf)
    for row in range(ITEMS):
        prompt = rows.tokens[row, : rows.prompt_length[row]].tolist()
        scores = []
        for choice, length in enumerate(rows.choices.targets.length[row]):
            if length:
                target = rows.choices.targets.tokens[row, choice, :length].tolist()
                scores.append(their_score(reference, model.ROUTE == "seq2seq", prompt, target))
                expected[row, choice] = scores[-1].item()
        total = total - torch.log_softmax(torch.stack(scores), dim=0)[int(rows.label[row])]
    prompts = EncodedPrompts(replace(rows), frame)
    found = predictor(model).scores(AdaptedWeights((), params), prompts)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    batch = batch_rows(rows, np.arange(ITEMS), ITEMS, 16, 1)

    def loss(leaves):
        logprobs, _ = choice_logprobs(Adapted(model, (), leaves), batch, frame)
        return -logprobs.sum()

    value, gradients = jax.value_and_grad(loss)(params)
    assert float(value) == pytest.approx(total.item(), abs=1e-3)
    total.backward()
    named = dict(reference.named_parameters())
    for path, gradient in gradients.items():
        key = model.KEY_MAP.key(path)
        grad = named[key.tensor].grad
        if grad is None:
            continue
        scale = grad.abs().max().item()
        ours = key.transpose(np.asarray(gradient))
        np.testing.assert_allclose(
            ours, grad.numpy(), atol=1e-3 * scale + 1e-6, rtol=0, err_msg=path
        )

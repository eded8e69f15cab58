"""The loss of plain text, against one plain forward pass per text."""

import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.lm_loss import passages, plain_rows
from research.evaluation.predictor import AdaptedWeights
from research.runtime.devices import Devices
from tests.tiny import METHODS, ONE, decoder, predictor, text_loss_of, with_method

TEXTS = [[4, 9, 17, 3, 3], [12, 5], [8], [20, 21, 6, 14, 2, 19, 11, 7, 4]]
BEGIN = 1


def text_loss(model, texts, ids, methods=(), leaves=None, devices=ONE, **options) -> float:
    """The mean loss of texts after the ids of a frame."""
    prompts = EncodedPrompts(plain_rows(texts), prompt_frame(ids))
    return predictor(model, devices).loss(AdaptedWeights(methods, leaves), prompts, **options)


@pytest.mark.thorough
def test_the_loss_of_a_frozen_backbone():
    model, params = decoder()
    begin = np.asarray(params["embed/embedding"])[[BEGIN]]
    loss = text_loss(model, TEXTS, [BEGIN], leaves=params, batch_size=3)
    assert loss == pytest.approx(text_loss_of(model, params, TEXTS, begin), rel=1e-5)
    again = text_loss(model, TEXTS, [BEGIN], leaves=params, devices=Devices(count=2))
    assert again == pytest.approx(loss, rel=1e-5)


def test_a_soft_prompt_is_at_work():
    model, params = decoder()
    method = METHODS["soft_prompt"]
    leaves = with_method(method, params)
    table = np.asarray(params["embed/embedding"])
    before = np.concatenate([np.asarray(leaves["soft_prompt:/prompt"]), table[[BEGIN]]])
    loss = text_loss(model, TEXTS, [BEGIN], (method,), leaves)
    assert loss == pytest.approx(text_loss_of(model, params, TEXTS, before), rel=1e-5)


def test_without_a_token_to_predict_there_is_no_loss():
    model, params = decoder()
    assert np.isnan(text_loss(model, [[5]], [], leaves=params))


def test_passages_follow_one_another_as_far_as_the_text_goes():
    found = passages(list(range(10, 20)), [3, 4, 2, 5])
    assert found.tokens.tolist() == [[10, 11, 12, 0], [13, 14, 15, 16], [17, 18, 0, 0]]
    assert found.length.tolist() == [3, 4, 2] and found.prompt_length.tolist() == [1, 1, 1]


@pytest.mark.thorough
def test_the_embedded_backbone_knows_its_own_text_better_than_shuffled():
    """Mean nats a token of the shipped model, near the loss that its README tells of."""
    from research.common.paths import resolve_path
    from research.models.backbone import load_backbone, load_tokenizer
    from research.runs.held_out_text import held_out_passages, read_held_out

    folder = resolve_path("world-1m", "backbone")
    backbone = load_backbone(folder)
    tokenizer = load_tokenizer(folder, backbone.model)
    stream = read_held_out("world", tokenizer)
    order = np.random.default_rng(0).permutation(len(stream))
    shuffled = np.asarray(stream)[order].tolist()

    def loss(stream: list[int]) -> float:
        prompts = EncodedPrompts(held_out_passages(stream, 128), prompt_frame([]))
        return predictor(backbone.model).loss(AdaptedWeights((), backbone.params), prompts)

    assert 0.8 < loss(stream) < 1.2  # its README says 0.971, on other passages
    assert loss(shuffled) > 5

"""What a predictor reports after each batch."""

from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.cached_predictor import CachedPredictor
from research.evaluation.length_batches import BatchShapes
from research.evaluation.predictor import AdaptedWeights
from research.methods.adapted import Adapted
from research.tasks.decoding import Decoding
from tests.tiny import FRAME, LABELS, METHODS, ONE, decoder, encoded, hyper, predictor, with_method


def test_the_examples_that_are_done_are_reported_after_each_batch():
    model, params = decoder()
    weights, prompts = AdaptedWeights((), params), EncodedPrompts(encoded(5), FRAME)
    reports: list[tuple[int, int]] = []
    reporting = replace(predictor(model), report=lambda done, total: reports.append((done, total)))
    assert reporting == predictor(model) and hash(reporting) == hash(predictor(model))
    reporting.scores(weights, prompts, LABELS, batch_size=2)
    reporting.loss(weights, prompts, batch_size=2)
    reporting.generate(weights, prompts, Decoding(2), ends=(), batch_size=2)
    assert reports == 3 * [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize("name", ["full", "lora", "prefix", "soft_prompt"])
def test_the_prefix_of_all_rows_is_computed_by_no_batch(name: str, monkeypatch: pytest.MonkeyPatch):
    """With the same scores up to rounding; one program has it, whatever the widths."""
    model, params = decoder()
    prompts, method = EncodedPrompts(encoded(9), FRAME), METHODS[name]
    weights = AdaptedWeights(hyper(method).methods, with_method(method, params))
    expected = predictor(model).scores(weights, prompts, LABELS, batch_size=4)
    lengths: list[int] = []
    prefix = Adapted.prefix

    def counted(self: Adapted, opening: Any, *rest: Any) -> Any:
        lengths.append(len(opening))
        return prefix(self, opening, *rest)

    monkeypatch.setattr(Adapted, "prefix", counted)
    apart = replace(predictor(model), shapes=BatchShapes((8, 16), prefix_apart=True))
    scores = apart.scores(weights, prompts, LABELS, batch_size=4)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    assert lengths == [len(FRAME.prefix_ids)]


def test_a_single_token_before_the_rows_is_a_part_of_them():
    model, params = decoder()
    prompts = EncodedPrompts(encoded(9), prompt_frame([3]))
    apart = replace(predictor(model), shapes=BatchShapes(prefix_apart=True))
    weights = AdaptedWeights((), params)
    assert all(call.args[3].prefix is None for call in apart.score_calls(weights, prompts, LABELS))


def test_a_cached_result_is_not_reported_again():
    model, params = decoder()
    weights, prompts = AdaptedWeights((), params), EncodedPrompts(encoded(5), FRAME)
    results: dict[bytes, object] = {}
    reports: list[tuple[int, int]] = []

    def cache(key, compute):
        if key not in results:
            results[key] = compute()
        return results[key]

    cached = CachedPredictor(
        model, ONE, jnp.float32, cache, report=lambda done, total: reports.append((done, total))
    )
    for _ in range(2):
        cached.scores(weights, prompts, LABELS, batch_size=4)
    assert reports == [(4, 5), (5, 5)]

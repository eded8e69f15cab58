"""What a predictor reports after each batch."""

from dataclasses import replace

import jax.numpy as jnp

from research.evaluation.batch import EncodedPrompts
from research.evaluation.cached_predictor import CachedPredictor
from research.evaluation.predictor import AdaptedWeights
from research.tasks.decoding import Decoding
from tests.tiny import FRAME, LABELS, ONE, decoder, encoded, predictor


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

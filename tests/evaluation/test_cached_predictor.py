"""What the cache of the unadapted backbone's predictions shares, and what it keeps apart."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.cached_predictor import CachedPredictor
from research.evaluation.predictor import AdaptedWeights
from research.tasks.decoding import Decoding
from tests.tiny import FRAME, LABELS, METHODS, ONE, decoder, encoded, hyper, predictor, with_method


class Cache(dict):
    """Values by key, each computed once."""

    def __call__(self, key, compute):
        if key not in self:
            self[key] = compute()
        return self[key]


@pytest.fixture(scope="module")
def model():
    return decoder(layers=1)


def test_results_are_those_of_a_predictor_and_computed_once(model):
    """Other leaves show that nothing is computed again."""
    decoder_model, params = model
    cache, plain = Cache(), predictor(decoder_model)
    cached = CachedPredictor(decoder_model, ONE, jnp.float32, cache)
    prompts, weights = EncodedPrompts(encoded(3), FRAME), AdaptedWeights((), params)
    zeros = AdaptedWeights((), {path: 0 * leaf for path, leaf in params.items()})
    for ask in (
        lambda p, w: p.scores(w, prompts, LABELS),
        lambda p, w: p.loss(w, prompts),
        lambda p, w: p.generate(w, prompts, Decoding(2), ends=[9]).tokens,
    ):
        expected = ask(plain, weights)
        np.testing.assert_array_equal(ask(cached, weights), expected)
        np.testing.assert_array_equal(ask(cached, zeros), expected)
        assert not np.array_equal(ask(plain, zeros), expected)
    assert len(cache) == 3


def test_other_arguments_are_other_results(model):
    decoder_model, params = model
    cache = Cache()
    cached = CachedPredictor(decoder_model, ONE, jnp.float32, cache)
    rows, weights = encoded(3), AdaptedWeights((), params)
    method = hyper(METHODS["lora"]).methods[0]
    lora = AdaptedWeights((method,), with_method(method, params))
    prompts, swapped = EncodedPrompts(rows, FRAME), LABELS._replace(tokens=LABELS.tokens[::-1])
    others = [
        (lora, prompts, LABELS),
        (weights, EncodedPrompts(rows, prompt_frame([3])), LABELS),
        (weights, EncodedPrompts(encoded(3, seed=1), FRAME), LABELS),
        (weights, prompts, swapped),
    ]
    for number, arguments in enumerate([(weights, prompts, LABELS), *others], start=1):
        expected = predictor(decoder_model).scores(*arguments)
        np.testing.assert_array_equal(cached.scores(*arguments), expected)
        assert len(cache) == number
    cached.loss(weights, prompts)
    shorter = replace(rows, length=rows.length - 1)
    assert cached.loss(weights, EncodedPrompts(shorter, FRAME)) == predictor(decoder_model).loss(
        weights, EncodedPrompts(shorter, FRAME)
    )
    for decoding, ends in ((Decoding(2), [9]), (Decoding(3), [9]), (Decoding(3), [])):
        generated = cached.generate(weights, prompts, decoding, ends=ends)
        assert generated.tokens.shape == (3, decoding.max_new_tokens)
    assert len(cache) == 5 + 2 + 3

"""What the cache of the unadapted backbone's predictions shares, and what it keeps apart."""

from dataclasses import replace
from unittest.mock import Mock

import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.cached_predictor import CachedPredictor, SharedPredictor
from research.evaluation.predictor import AdaptedWeights
from research.runtime.executable import scoring_clock
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


def test_full_fine_tuning_shares_results_with_the_backbone_alone(model):
    """Before training. Methods that train a part of it do so without a trunk."""
    decoder_model, params = model
    prompts = EncodedPrompts(encoded(3), FRAME)
    for trunk, results in ((None, 1), (Mock(), 2)):
        cache = Cache()
        cached = CachedPredictor(decoder_model, ONE, jnp.float32, cache, trunk=trunk)
        if trunk is not None:
            trunk.of_labels.return_value = None
        for methods in ((), (METHODS["full"],), (METHODS["last_layers"],)):
            cached.scores(AdaptedWeights(methods, params), prompts, LABELS)
        assert len(cache) == results


def test_states_in_the_frame_of_training_make_no_other_result(model):
    decoder_model, params = model
    states = (np.zeros((2, 3), np.float32), np.zeros(4, np.float32))
    cache = Cache()
    cached = CachedPredictor(decoder_model, ONE, jnp.float32, cache)
    for frame in (FRAME, FRAME._replace(states=states)):
        cached.scores(AdaptedWeights((), params), EncodedPrompts(encoded(3), frame), LABELS)
    assert len(cache) == 1


def test_seeds_share_texts_that_are_not_sampled(model):
    decoder_model, params = model
    cache, prompts = Cache(), EncodedPrompts(encoded(3), FRAME)
    cached = CachedPredictor(decoder_model, ONE, jnp.float32, cache)
    for decoding, results in ((Decoding(2), 1), (Decoding(2, do_sample=True), 1 + 2)):
        for seed in (0, 16):
            cached.generate(AdaptedWeights((), params), prompts, decoding, ends=[9], seed=seed)
        assert len(cache) == results


def test_reused_results_of_the_backbone_count_on_the_scoring_clock(model):
    """Those of adapted weights do not: their computation counts where it was done."""
    decoder_model, params = model
    prompts, seconds = EncodedPrompts(encoded(3), FRAME), []
    for kind in (SharedPredictor, CachedPredictor):
        cached = kind(decoder_model, ONE, jnp.float32, Cache())
        cached.scores(AdaptedWeights((), params), prompts, LABELS)
        key, value = next(iter(cached.cache.items()))  # pyright: ignore
        if kind is SharedPredictor:
            cached.cache[key] = (value[0], 100.0)  # pyright: ignore
        begun = scoring_clock()
        cached.scores(AdaptedWeights((), params), prompts, LABELS)
        seconds.append(scoring_clock() - begun)
    assert seconds[0] == pytest.approx(100.0) and seconds[1] < 10.0

"""The padded widths of a large model's batches."""

from itertools import combinations

import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, bucket, padded_width
from research.evaluation.predictor import AdaptedWeights
from research.evaluation.widths import (
    LARGE,
    ProgramCost,
    chosen_widths,
    program_cost,
    scoring_widths,
)
from research.methods.method import Leaves
from research.training.batches import Stream, batch_indices, training_widths
from research.training.optimizer import Schedule
from tests.tiny import FRAME, LABELS, decoder, encoded, predictor

COST = ProgramCost(position=1e-3, compiling=10.0)
# Shapes of a model of 0.1B parameters with two layers.
LEAVES: Leaves = {
    "embed/embedding": np.broadcast_to(np.float32(0), (50_000, 1000)),
    "layers_0/mlp/up/kernel": np.broadcast_to(np.float32(0), (5000, 5000)),
    "layers_1/mlp/up/kernel": np.broadcast_to(np.float32(0), (5000, 5000)),
}


def seconds(rows: dict[int, float], chosen: tuple[int, ...], cost: ProgramCost) -> float:
    computing = sum(count * min(w for w in chosen if w >= width) for width, count in rows.items())
    return computing * cost.position + len(chosen) * cost.compiling


@pytest.mark.parametrize("seed", range(8))
def test_the_choice_takes_the_fewest_seconds(seed: int):
    draw = np.random.default_rng(seed)
    widths = sorted(draw.choice([8, 16, 32, 48, 64, 96, 128], 5, replace=False).tolist())
    rows = {width: float(draw.integers(1, 2000)) for width in widths}
    every = [
        (*smaller, widths[-1]) for count in range(5) for smaller in combinations(widths[:-1], count)
    ]
    fewest = min(seconds(rows, chosen, COST) for chosen in every)
    assert seconds(rows, chosen_widths(rows, COST), COST) == pytest.approx(fewest)


def test_few_rows_share_one_width_and_many_have_each_their_own():
    assert chosen_widths({16: 8, 32: 8, 64: 8}, COST) == (64,)
    assert chosen_widths({16: 8e4, 32: 8e4, 64: 8e4}, COST) == (16, 32, 64)


def test_small_models_keep_every_bucket():
    _, params = decoder()
    assert program_cost(params, "train") is None
    assert chosen_widths({16: 8, 64: 8}, None) == ()
    assert scoring_widths(params, [EncodedPrompts(encoded(40), FRAME)]) == ()
    assert [padded_width(n) for n in range(1, 200)] == [bucket(n) for n in range(1, 200)]


def test_the_cost_is_that_of_the_layers():
    assert sum(leaf.size for leaf in LEAVES.values()) >= LARGE
    score, train = program_cost(LEAVES, "score"), program_cost(LEAVES, "train")
    assert score is not None and train is not None
    assert train.position == 2 * score.position == 4 * 2 * 25e6 / 1e11
    assert train.compiling == 2 * 0.5


def test_longer_rows_than_the_chosen_have_their_bucket():
    assert [padded_width(n, (32, 64)) for n in (5, 32, 33, 64, 65, 130)] == [
        32,
        32,
        64,
        64,
        96,
        192,
    ]


def test_streams_of_more_seeds_have_the_widths_of_their_mean_run():
    lengths = np.array([10] * 24 + [60] * 8)
    stream = Stream(0, lengths, lengths)
    schedule = Schedule(steps=40, batch_size=8)
    cost = ProgramCost(position=4e-3, compiling=15.0)
    assert training_widths(cost, [stream], schedule) == (16, 64)
    assert training_widths(cost, [stream] * 9, schedule) == (16, 64)
    assert training_widths(cost, [stream], Schedule(steps=4, batch_size=8)) == (64,)
    widths = {bucket(int(lengths[batch_indices(lengths, 8, 0, step)].max())) for step in range(4)}
    assert widths == {16, 64}


def test_dev_and_test_are_scored_in_the_chosen_widths():
    """Fewer programs, and the same scores up to rounding."""
    model, params = decoder()
    weights, prompts = AdaptedWeights((), params), EncodedPrompts(encoded(40), FRAME)
    plain = predictor(model)
    padded = type(plain)(plain.model, plain.devices, plain.dtype, widths=(32,))
    calls = padded.score_calls(weights, prompts, LABELS, batch_size=8)
    assert [call.args[2].tokens.shape for call in calls] == [(8, 32)]
    assert len(plain.score_calls(weights, prompts, LABELS, batch_size=8)) == 2
    scores = [each.scores(weights, prompts, LABELS, batch_size=8) for each in (plain, padded)]
    np.testing.assert_allclose(*scores, rtol=1e-5, atol=1e-5)

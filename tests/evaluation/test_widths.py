"""The padded widths of a large model's batches."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, bucket, padded_width
from research.evaluation.length_batches import EQUAL_ROWS, BatchShapes, length_batches
from research.evaluation.predictor import AdaptedWeights
from research.evaluation.widths import (
    LARGE,
    ProgramCost,
    chosen_widths,
    large_batches,
    program_cost,
    scoring_shapes,
)
from research.methods.method import Leaves
from research.tasks.encoding.encoded import Encoded
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
    assert scoring_shapes(params, [EncodedPrompts(encoded(40), FRAME)]) == EQUAL_ROWS
    assert large_batches(params) == EQUAL_ROWS
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
    assert len(plain.score_calls(weights, prompts, LABELS, batch_size=8)) == 2
    scores = plain.scores(weights, prompts, LABELS, batch_size=8)
    for shapes, shape in ((BatchShapes((32,)), (8, 32)), (BatchShapes((32,), 128), (4, 32))):
        padded = replace(plain, shapes=shapes)
        calls = padded.score_calls(weights, prompts, LABELS, batch_size=8)
        assert [call.args[2].tokens.shape for call in calls] == [shape]
        filled = padded.scores(weights, prompts, LABELS, batch_size=8)
        np.testing.assert_allclose(filled, scores, rtol=1e-5, atol=1e-5)


LENGTHS = np.random.default_rng(0).integers(4, 62, 200)
ROWS = Encoded(np.zeros((200, 64), np.int32), LENGTHS + 1, LENGTHS, np.zeros(200, np.int32), cut=0)
FILLED = BatchShapes((32, 64), 512)


def test_batches_that_are_filled_have_no_padded_rows_but_in_the_last():
    """And fewer positions than batches of equally many rows."""
    batches = list(length_batches(ROWS, 32, shapes=FILLED))
    assert {(size, width) for _, size, width in batches} == {(16, 32), (8, 64)}
    assert sorted(np.concatenate([indices for indices, _, _ in batches])) == list(range(200))
    for indices, size, width in batches:
        assert LENGTHS[indices].max() <= width
        assert len(indices) == size or indices is batches[-1][0]
    equal = length_batches(ROWS, 32, shapes=BatchShapes(FILLED.widths))
    filled, padded = (sum(size * width for _, size, width in each) for each in (batches, equal))
    assert filled < padded


@pytest.mark.parametrize(
    "changes, size",
    [
        ({}, 8),
        ({"most": 4}, 4),
        ({"devices": 3}, 6),
        ({"devices": 16}, 16),
    ],
)
def test_rows_of_a_filled_batch(changes: dict[str, int], size: int):
    assert FILLED.rows(**{"width": 64, "most": 32, **changes}) == size


def test_texts_are_generated_for_equally_many_rows():
    """Each token takes all weights, whatever the number of rows."""
    equal = length_batches(ROWS, 32, shapes=BatchShapes(FILLED.widths), new=8)
    pairs = zip(length_batches(ROWS, 32, shapes=FILLED, new=8), equal, strict=True)
    assert all(a[1:] == b[1:] and (a[0] == b[0]).all() for a, b in pairs)


def test_large_models_fill_their_batches_on_a_cpu(monkeypatch: pytest.MonkeyPatch):
    assert large_batches(LEAVES) == BatchShapes(positions=512, prefix_apart=True)
    shapes = scoring_shapes(LEAVES, [EncodedPrompts(ROWS, FRAME)])
    assert shapes.positions == 512 and shapes.widths[-1] == 64
    monkeypatch.setattr("jax.default_backend", lambda: "gpu")
    assert large_batches(LEAVES) == BatchShapes(prefix_apart=True)

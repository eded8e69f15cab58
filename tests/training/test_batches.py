"""Which examples a step sees."""

import numpy as np
import pytest

from research.training.batches import batch_indices


def lengths(examples: int) -> np.ndarray:
    return np.random.default_rng(examples).integers(5, 60, examples)


@pytest.mark.parametrize("examples, size", [(12, 4), (10, 4), (64, 4), (3, 8), (1, 5)])
def test_every_example_is_seen_equally_often(examples, size):
    """Also where a batch spans epochs, or is larger than all examples together."""
    steps = [batch_indices(lengths(examples), size, 5, step) for step in range(16 * examples)]
    assert all(chosen.shape == (size,) for chosen in steps)
    seen = np.bincount(np.concatenate(steps), minlength=examples)
    assert seen.min() == seen.max() == 16 * size


def test_a_window_holds_each_example_once_and_groups_by_length():
    sizes = lengths(128)
    epoch = [batch_indices(sizes, 16, seed=5, step=step) for step in range(8)]
    np.testing.assert_array_equal(np.sort(np.concatenate(epoch)), np.arange(128))
    spread = [np.ptp(sizes[chosen]) for chosen in epoch]
    assert np.mean(spread) < 0.3 * np.ptp(sizes)
    shortest_first = np.argsort([sizes[chosen].mean() for chosen in epoch])
    assert np.any(shortest_first != np.arange(8))


def test_epochs_and_seeds_differ():
    same = np.full(50, 9)
    first, second = (batch_indices(same, 50, seed=5, step=step) for step in range(2))
    assert np.any(first != second)
    assert np.any(first != batch_indices(same, 50, seed=6, step=0))
    assert np.any(first != np.arange(50))


def test_a_batch_is_a_function_of_seed_and_step():
    """Whatever was asked for before."""
    forwards = [batch_indices(lengths(10), 4, seed=5, step=step) for step in range(200)]
    for step in reversed(range(200)):
        np.testing.assert_array_equal(batch_indices(lengths(10), 4, 5, step), forwards[step])


def test_the_order_is_the_same_on_every_platform():
    assert batch_indices(np.arange(10), 4, seed=0, step=3).tolist() == GOLDEN


GOLDEN = [1, 4, 5, 5]

"""Which examples a step sees: a function of (seed, step) alone, so a resumed run sees the same."""

import functools

import numpy as np


def batch_indices(examples: int, size: int, seed: int, step: int) -> np.ndarray:
    """`size` indices below `examples`: step `step` of a stream of reshuffled epochs."""
    places = np.arange(step * size, (step + 1) * size)
    epochs, within = np.divmod(places, examples)
    return np.array([_order(examples, seed, int(e))[w] for e, w in zip(epochs, within, strict=True)])


@functools.lru_cache(maxsize=64)
def _order(examples: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(examples)

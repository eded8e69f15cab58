"""Frequencies of rotary positions, by hand."""

import jax
import numpy as np

from research.models.layers.rope import Rope


def test_frequencies_by_hand():
    plain = np.asarray([1, 1 / 4, 1 / 16, 1 / 64])
    with jax.numpy_dtype_promotion("strict"):
        np.testing.assert_allclose(Rope(256.0).frequencies(8), plain, rtol=1e-6)
        linear = Rope(256, "linear", 5).frequencies(8)
    np.testing.assert_allclose(linear, plain / 5, rtol=1e-6)
    # Within 48 positions the pairs turn 7.6, 1.9, 0.48 and 0.12 times.
    stretched = Rope(256.0, "llama3", 5.0, 0.5, 4.0, 48).frequencies(8)
    kept = (48 / 4 / (2 * np.pi) - 0.5) / 3.5
    between = kept / 4 + (1 - kept) / 20
    np.testing.assert_allclose(stretched, [1, between, 1 / 80, 1 / 320], rtol=1e-6)

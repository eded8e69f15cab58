"""Nearest tokens and norms against a plain loop over all pairs."""

import numpy as np
from scipy.spatial.distance import cosine

from research.runs.diagnostics import soft_prompt_diagnostics

DRAW = np.random.default_rng(0)
TABLE = DRAW.normal(size=(30, 8)).astype(np.float32)


def test_nearest_tokens_by_cosine():
    prompt = np.concatenate([DRAW.normal(size=(4, 8)), 7 * TABLE[[11, 3]]]).astype(np.float32)
    found = soft_prompt_diagnostics(prompt, TABLE)
    for place, vector in enumerate(prompt):
        plain = np.array([1 - cosine(vector, token) for token in TABLE])
        expected = np.argsort(-plain)[:3]
        assert found.nearest[place].tolist() == expected.tolist()
        np.testing.assert_allclose(found.cosine[place], plain[expected], atol=1e-6)
    assert found.nearest[4:, 0].tolist() == [11, 3]
    np.testing.assert_allclose(found.norms, np.linalg.norm(prompt, axis=1), rtol=1e-6)
    lengths = np.linalg.norm(TABLE, axis=1)
    np.testing.assert_allclose(found.vocabulary, np.percentile(lengths, (5, 50, 95)), rtol=1e-6)


def test_an_embedding_of_zeros_is_near_to_nothing():
    table = np.concatenate([np.zeros((1, 8), np.float32), TABLE])
    found = soft_prompt_diagnostics(np.stack([TABLE[0], np.zeros(8, np.float32)]), table)
    assert found.nearest[0, 0] == 1 and np.isfinite(found.cosine).all()

"""A look inside a trained soft prompt: which tokens it is near to, and how long its vectors are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.methods.method import Array


class Inside(NamedTuple):
    """nearest: [P, K] ids of the tokens with the largest cosine to each vector, the largest first,
    as in Lester et al. 2021 (arXiv 2104.08691), section 7; cosine: [P, K]. norms: [P] of the
    vectors. vocabulary: the 5th, 50th and 95th percentile of the tokens' norms.
    """

    nearest: NDArray
    cosine: NDArray
    norms: NDArray
    vocabulary: NDArray


def inside(prompt: Array, table: Array, count: int = 3) -> Inside:
    """Compares a prompt [P, D] with the embeddings of all tokens [V, D], in float32."""
    vectors, tokens = np.asarray(prompt, np.float32), np.asarray(table, np.float32)
    norms, lengths = np.linalg.norm(vectors, axis=-1), np.linalg.norm(tokens, axis=-1)
    # A token whose embedding is zero, as padding has it, is near to nothing.
    cosine = vectors @ (tokens / np.maximum(lengths, 1e-12)[:, None]).T
    cosine /= np.maximum(norms, 1e-12)[:, None]
    nearest = np.argsort(-cosine, axis=-1, kind="stable")[:, :count]
    percentiles = np.percentile(lengths, (5, 50, 95))
    return Inside(nearest, np.take_along_axis(cosine, nearest, axis=-1), norms, percentiles)

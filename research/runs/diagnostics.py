"""Notes of a run record on the result of training."""

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.common.tokenizer import Tokenizer
from research.methods.method import Array, Leaves, Method
from research.methods.shared.leaves import added_to


def not_learned(metric: str, score: float, others: Mapping[str, float]) -> str | None:
    """A warning if a dev score is no better than one without training, else None.

    Args:
        metric: name of the metric.
        score: the score after training.
        others: scores without training, by the name of the predictor.
    """
    best = max(others, key=others.__getitem__)
    if score > others[best]:
        return None
    return f"{metric} on dev is {score:.3f}, and {others[best]:.3f} with {best}"


def described(
    methods: Iterable[Method], leaves: Leaves, tokenizer: Tokenizer, table_scale: float = 1.0
) -> dict[str, Any]:
    """A note on the trained soft prompt beside the embeddings of tokens, if there is one.

    Args:
        methods: the methods at work.
        leaves: all leaves.
        tokenizer: of the backbone.
        table_scale: factor of the embedding table's rows in the model's input.
    """
    prefixes = [method.prefix(added_to(method, leaves).get("", {})) for method in methods]
    prompts = [prefix for prefix in prefixes if prefix is not None]
    if not prompts:
        return {}
    table = np.asarray(leaves["embed/embedding"]) * np.float32(table_scale)
    diagnostics = soft_prompt_diagnostics(prompts[-1], table)
    note = {
        "nearest": [
            [token if isfinite(near) else None for token, near in zip(tokens, row, strict=True)]
            for tokens, row in zip(
                map(tokenizer.convert_ids_to_tokens, diagnostics.nearest.tolist()),
                diagnostics.cosine.tolist(),
                strict=True,
            )
        ],
        "cosine": np.round(diagnostics.cosine, 3).tolist(),
        "norms": np.round(diagnostics.norms, 3).tolist(),
        "vocabulary_norms": np.round(diagnostics.vocabulary, 3).tolist(),
    }
    return {"prompt": note}


class SoftPromptDiagnostics(NamedTuple):
    """A soft prompt compared with the vocabulary, as in Lester et al. 2021 (arXiv 2104.08691),
    section 7.

    Attributes:
        nearest: ids [P, K] of the tokens with the largest cosine to each vector, descending.
        cosine: these cosines [P, K].
        norms: norms [P] of the vectors.
        vocabulary: the 5th, 50th and 95th percentile of the tokens' norms.
    """

    nearest: NDArray
    cosine: NDArray
    norms: NDArray
    vocabulary: NDArray


def soft_prompt_diagnostics(prompt: Array, table: Array, count: int = 3) -> SoftPromptDiagnostics:
    """Compares a prompt [P, D] with the embeddings of all tokens [V, D], in float32."""
    vectors, tokens = np.asarray(prompt, np.float32), np.asarray(table, np.float32)
    norms, lengths = np.linalg.norm(vectors, axis=-1), np.linalg.norm(tokens, axis=-1)
    # A token whose embedding is zero, such as padding, has cosine 0.
    cosine = vectors @ (tokens / np.maximum(lengths, 1e-12)[:, None]).T
    cosine /= np.maximum(norms, 1e-12)[:, None]
    nearest = np.argsort(-cosine, axis=-1, kind="stable")[:, :count]
    percentiles = np.percentile(lengths, (5, 50, 95))
    return SoftPromptDiagnostics(
        nearest, np.take_along_axis(cosine, nearest, axis=-1), norms, percentiles
    )

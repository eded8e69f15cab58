"""What a run's record says of what training came to."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from research.evaluation.baselines import majority_class
from research.evaluation.inspection import inside
from research.methods.method import Array
from research.sweeps.data import RunData
from research.tasks.metrics import METRICS


def majority(data: RunData, metric: str, classes: int) -> float:
    """The dev score of the class that is most common in training."""
    gold = data.train.label.tolist()
    fitted = majority_class([""] * len(gold), gold, classes)  # it reads no text
    guess = fitted.scores([""] * len(data.dev.label)).argmax(axis=-1)
    return float(METRICS[metric](guess, data.dev.label, classes))


def not_learned(metric: str, score: float, others: Mapping[str, float]) -> str | None:
    """A warning where a dev score is no better than one that takes no training, else None.

    others: such scores by what they are of.
    """
    best = max(others, key=others.__getitem__)
    if score > others[best]:
        return None
    return f"{metric} on dev is {score:.3f}, and {others[best]:.3f} with {best}"


def described(prompt: Array, table: Array, tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """A trained soft prompt [P, D] beside the embeddings of tokens [V, D], as JSON data."""
    found = inside(prompt, table)
    return {
        "nearest": [tokenizer.convert_ids_to_tokens(row.tolist()) for row in found.nearest],
        "cosine": np.round(found.cosine, 3).tolist(),
        "norms": np.round(found.norms, 3).tolist(),
        "vocabulary_norms": np.round(found.vocabulary, 3).tolist(),
    }

"""What a run's record says of what training came to."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from research.evaluation.baselines import majority_class
from research.evaluation.inspection import inside
from research.methods.method import Leaves, Method, added_to
from research.sweeps.data import RunData
from research.tasks.metrics import METRICS
from research.tasks.number_task import NumberTask
from research.tasks.task import Task


def constant(task: Task, data: RunData) -> dict[str, float]:
    """The dev score of one answer for all: of the class that is most common in training; a number
    correlates with nothing. {} where answers are texts.
    """
    if isinstance(task, NumberTask):
        return {"one number for all": 0.0}
    if not task.labels:
        return {}
    gold, classes = data.train.label.tolist(), len(task.labels)
    fitted = majority_class([""] * len(gold), gold, classes)  # it reads no text
    guess = fitted.scores([""] * len(data.dev.label)).argmax(axis=-1)
    return {"the majority class": float(METRICS[task.metric](guess, data.dev.label, classes))}


def not_learned(metric: str, score: float, others: Mapping[str, float]) -> str | None:
    """A warning where a dev score is no better than one that takes no training, else None.

    others: such scores by what they are of.
    """
    best = max(others, key=others.__getitem__)
    if score > others[best]:
        return None
    return f"{metric} on dev is {score:.3f}, and {others[best]:.3f} with {best}"


def described(
    methods: Iterable[Method], leaves: Leaves, tokenizer: PreTrainedTokenizerBase
) -> dict[str, Any]:
    """A note on the trained soft prompt beside the embeddings of tokens, if there is one."""
    own = [method.prefix(added_to(method, leaves).get("", {})) for method in methods]
    prompts = [prompt for prompt in own if prompt is not None]
    if not prompts:
        return {}
    found = inside(prompts[-1], leaves["embed/embedding"])
    note = {
        "nearest": [tokenizer.convert_ids_to_tokens(row.tolist()) for row in found.nearest],
        "cosine": np.round(found.cosine, 3).tolist(),
        "norms": np.round(found.norms, 3).tolist(),
        "vocabulary_norms": np.round(found.vocabulary, 3).tolist(),
    }
    return {"prompt": note}

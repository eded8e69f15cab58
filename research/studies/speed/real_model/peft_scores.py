"""Label scores with PyTorch and PEFT."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch  # pyright: ignore

from research.studies.speed.real_model.table_format import EncodedSplit
from research.studies.speed.sides.peft_inputs import IGNORED, decoder_batch

EVALUATION_ROWS = 16  # of a batch; each is scored with every label


def split_scores(
    model: Any, split: EncodedSplit, prefix_ids: np.ndarray, labels: Sequence[np.ndarray]
) -> np.ndarray:
    """Summed log-probability of each label's tokens after each prompt of a split, [I, C]."""
    rows = len(split.label)
    return np.concatenate(
        [
            _batch_scores(
                model, split, prefix_ids, labels, range(first, min(first + EVALUATION_ROWS, rows))
            )
            for first in range(0, rows, EVALUATION_ROWS)
        ]
    )


@torch.inference_mode()
def _batch_scores(
    model: Any,
    split: EncodedSplit,
    prefix_ids: np.ndarray,
    labels: Sequence[np.ndarray],
    rows: Sequence[int],
) -> np.ndarray:
    prompts = [split.tokens[row, : split.prompt_length[row]] for row in rows]
    texts = [np.concatenate([prompt, label]) for prompt in prompts for label in labels]
    starts = [len(prompt) for prompt in prompts for _ in labels]
    batch = decoder_batch(prefix_ids, texts, starts)
    targets = batch.pop("labels")[:, 1:]
    logits = model(**batch).logits.float()
    logits = logits[:, -targets.shape[1] - 1 : -1]  # without the positions of a soft prompt
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none"
    )
    return -losses.sum(1).reshape(len(prompts), len(labels)).cpu().numpy()

"""Memory of a run on CPU, from the shapes of its leaves alone."""

import re
from collections.abc import Collection

from research.evaluation.routes.token_logprobs import MOST_LOGIT_BYTES
from research.methods.method import Leaves
from research.methods.shared.leaves import backbone
from research.runs.costs.flops import STACK, above_trunk, kernels_above

# Measured with models of 1M and 135M parameters, see docs/scale.md: the libraries, and for each
# layer the program of a step with what compiling it leaves behind.
PROCESS_BYTES, LAYER_BYTES = 450 << 20, 6 << 20
COPIES_OF_TRAINED = 5  # trained, beside those of the backbone; two moments, gradients, the best
# Bytes that a step keeps for each output of a layer's kernels: the output, and what norms,
# activations and attention make of it.
OUTPUT_BYTES = 8
STATE_BYTES = 4  # of a number of a hidden state that is kept, also in bfloat16


def run_bytes(
    leaves: Leaves,
    trained: Collection[str],
    rows: int,
    tokens: float,
    targets: int,
    scanned: bool = False,
) -> int:
    """Peak bytes of a process that trains a run and scores it.

    Args:
        leaves: all leaves, or their shapes.
        trained: paths of the leaves that train, also of those that are not in `leaves`; none for a
            prompt alone.
        rows: rows of a batch.
        tokens: tokens of a row.
        targets: predicted tokens of a row.
        scanned: whether layers run as a scan, which stacks their weights in a second copy.
    """
    of_trained = sum(leaves[path].size for path in trained if path in leaves)
    outputs = (
        sum(leaves[path].shape[1] for path in kernels_above(leaves, trained)) if trained else 0
    )
    logits = 4 * rows * targets * leaves["embed/embedding"].shape[0]
    numbers = sum(leaf.size for leaf in leaves.values()) + COPIES_OF_TRAINED * of_trained
    if scanned:
        numbers += sum(leaf.size for path, leaf in leaves.items() if re.match(STACK, path))
    layers = {path.split("/attention")[0] for path in backbone(leaves) if "/attention" in path}
    return round(
        PROCESS_BYTES
        + LAYER_BYTES * len(layers)
        + 4 * numbers
        + OUTPUT_BYTES * rows * tokens * outputs
        + 2 * min(logits, MOST_LOGIT_BYTES)
    )


def state_bytes(leaves: Leaves, trained: Collection[str], texts: float, tokens: float) -> float:
    """Bytes of the hidden states below the trained leaves, 0 where none are kept.

    Args:
        leaves: all leaves, or their shapes.
        trained: paths of the leaves that train.
        texts: number of texts.
        tokens: mean tokens of a text and of the answers that are scored after it.
    """
    if not trained or above_trunk(leaves, trained) is leaves:
        return 0.0
    width = leaves["embed/embedding"].shape[1]
    return STATE_BYTES * texts * (tokens + 2) * width  # with the prefix, and padding

"""What a run costs, as its record has it."""

import statistics
from collections.abc import Sequence
from typing import Any

import jax

from research.methods.method import Leaves, Method, added_to, backbone
from research.training.loop import Outcome


def costs(
    outcomes: Sequence[Outcome], changed: Leaves, methods: Sequence[Method], added_tokens: int
) -> dict[str, Any]:
    """Parameters, bytes, seconds, tokens and FLOPs.

    outcomes: of the stages. changed: the leaves that differ from the backbone's in the end, when
    `methods` are at work. Bytes are those of what is kept, in float32.
    """
    done = [outcome.progress for outcome in outcomes]
    seconds = sum(p.steps * statistics.median(p.step_seconds) for p in done)
    cost = done[-1].cost if done else {}
    trained = {path: leaf.size for outcome in outcomes for path, leaf in outcome.trained.items()}
    return {
        "trained_params": sum(trained.values()),
        "stored_bytes": 4 * stored_parameters(changed, methods),
        "train_seconds": round(seconds, 4),
        "added_tokens": added_tokens,
        "step_flops": cost.get("flops"),
        "memory": {name: value for name, value in cost.items() if name != "flops"},
    }


def stored_parameters(changed: Leaves, methods: Sequence[Method]) -> int:
    """How many have to be kept beside the backbone, whose leaves `changed` replaces; they may be
    shapes.
    """
    count = sum(leaf.size for leaf in backbone(changed).values())
    for method in methods:
        for leaf in added_to(method, changed).values():
            kept = jax.eval_shape(method.stored, leaf)
            count += sum(array.size for array in kept.values())
    return count

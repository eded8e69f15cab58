"""What a run costs, as its record has it."""

import statistics
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax

from research.methods.method import Leaves, Method
from research.methods.shared.leaves import backbone, stored_leaves
from research.runs.costs.analytic import optimizer_bytes
from research.runtime.clock import spent_on
from research.runtime.devices import Devices, leaf_sharding
from research.runtime.memory import peak_bytes
from research.training.member import MemberProgress, Outcome
from research.training.optimizer import Schedule


def costs(
    outcomes: Sequence[Outcome],
    schedules: Sequence[Schedule],
    changed: Leaves,
    methods: Sequence[Method],
    added_tokens: int,
    dev_seconds: float,
) -> dict[str, Any]:
    """Parameters, bytes, seconds, tokens and FLOPs.

    Stored bytes are those of the stored leaves in float32; added parameters are the stored leaves
    beside the backbone. Peak bytes and memory are those of the compiled step of one member, in the
    stage that needs most; the peak of the process would include all threads. FLOPs are as if all
    batches were the widest.

    Args:
        outcomes: outcomes of the stages.
        schedules: schedules of the stages.
        changed: the leaves that differ from the backbone's after the last stage.
        methods: the methods at work after the last stage.
        added_tokens: tokens added to each input.
        dev_seconds: seconds of scoring dev after the last stage.
    """
    done = [outcome.progress for outcome in outcomes]
    stored_shapes = jax.eval_shape(partial(stored, methods=methods), changed)
    added = {path: leaf for path, leaf in stored_shapes.items() if ":" in path}
    trunk_seconds = sum(p.trunk_seconds for p in done)
    seconds = trunk_seconds + sum(p.steps * statistics.median(p.step_seconds) for p in done)
    trained = {path: leaf.size for outcome in outcomes for path, leaf in outcome.trained.items()}
    return {
        "trained_params": sum(trained.values()),
        "stored_bytes": 4 * sum(leaf.size for leaf in stored_shapes.values()),
        "added_params": sum(leaf.size for leaf in added.values()),
        "train_seconds": round(seconds, 4),
        "evaluation_seconds": round(dev_seconds + sum(p.evaluation_seconds for p in done), 4),
        "added_tokens": added_tokens,
        "trunk_seconds": round(trunk_seconds, 4),
        "step_flops": _step_flops(done[-1]) if done else None,
        "train_flops": _summed([_flops(p) for p in done]),
        "trunk_flops": sum(p.trunk_flops * p.steps for p in done),
        "peak_bytes": max(filter(None, (peak_bytes(p.cost) for p in done)), default=None),
        "memory": _memory(outcomes, schedules),
    }


def _memory(outcomes: Sequence[Outcome], schedules: Sequence[Schedule]) -> dict[str, Any]:
    """Bytes of the compiled step by purpose, and of the optimizer's state among its arguments."""
    stages = list(zip(outcomes, schedules, strict=True))
    if not stages:
        return {}
    most, schedule = max(stages, key=lambda stage: peak_bytes(stage[0].progress.cost) or 0)
    parts = {name: value for name, value in most.progress.cost.items() if name != "flops"}
    return {**parts, "optimizer_bytes": optimizer_bytes(schedule, most.trained)}


def stored(changed: Leaves, methods: Sequence[Method]) -> Leaves:
    """The leaves to store beside the backbone, of those that differ from it."""
    return {**backbone(changed), **stored_leaves(methods, changed)}


def _step_flops(progress: MemberProgress) -> float | None:
    """FLOPs of the widest step, as if no states of the trunk were kept."""
    flops = progress.cost.get("flops")
    return None if flops is None else flops + progress.trunk_flops


def _flops(progress: MemberProgress) -> float | None:
    flops = _step_flops(progress)
    return None if flops is None else flops * progress.steps


def _summed(values: Sequence[float | None]) -> float | None:
    """The sum; None if a part of it is unknown."""
    return None if None in values else float(sum(values))  # pyright: ignore


REPEATS = 5


@spent_on("switching")
def switch_seconds(stored: Leaves, devices: Devices) -> float:
    """Median seconds to move a task's stored leaves from host memory to the devices.

    The leaves replace another task's of the same shapes, so nothing is compiled. After full
    fine-tuning they are the whole model; a prompt stores none, and switching to it takes no time.

    Args:
        stored: the leaves, see the function `stored`.
        devices: the devices.
    """
    if not stored:
        return 0.0
    mesh, host = devices.mesh(), jax.device_get(stored)
    where = {path: leaf_sharding(mesh, leaf) for path, leaf in host.items()}
    seconds = []
    for _ in range(REPEATS + 1):
        begun = time.perf_counter()
        jax.block_until_ready(jax.device_put(host, where, may_alias=False))
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])  # the first is slower, in cold memory

"""Costs of a run that its record has, or that follow from it where older code did not write them.

Each is None where neither is so.
"""

from typing import Any, NamedTuple

from research.methods import METHODS
from research.methods.method import Method
from research.records.schema import Record
from research.runtime.memory import peak_bytes
from research.tasks.sampling import Regime

MOMENTS = 2  # that AdamW keeps of each parameter (Kingma & Ba 2015, arXiv 1412.6980), in float32


class MemoryByPurpose(NamedTuple):
    """Bytes of the compiled step of one run: weights, with the batch, which is small beside them;
    the optimizer's state; activations, gradients and whatever else the step needs besides.
    """

    weights: float
    optimizer: float
    activations: float


def memory_by_purpose(run: Record) -> MemoryByPurpose | None:
    """Of the stage that needs most; the parts add up to `peak_bytes`."""
    parts = run["costs"].get("memory") or {}
    peak, optimizer = peak_bytes(parts), parts.get("optimizer_bytes", _moments(run))
    # Of several stages, older records have the peak of one and the parts of the last.
    if peak is None or optimizer is None or peak != run["costs"].get("peak_bytes", peak):
        return None
    arguments = parts["argument_bytes"]
    return MemoryByPurpose(arguments - optimizer, optimizer, peak - arguments)


def added_params(run: Record) -> int | None:
    """Parameters that stand beside the backbone when a request is answered."""
    known, stages = run["costs"].get("added_params"), _stages(run)
    if known is not None or stages is None:
        return known
    if not stages:
        return 0
    methods = [METHODS[method["name"]] for method in _methods(stages[-1]) if method]
    if len(stages) > 1 or stages[0].get("merge") or not methods:
        return None
    if all(method.init is Method.init for method in methods):  # nothing is added
        return 0
    if all(method.trains is Method.trains for method in methods):  # nothing else is kept
        return run["costs"]["stored_bytes"] // 4
    return None


def dev_examples(run: Record) -> int | None:
    """Labelled examples that dev has: as many as are trained on, up to the experiment's limit, in
    rounds of one a label where they are drawn so (`research.tasks.sampling`).
    """
    known, most = run["notes"].get("n_dev"), run["configuration"].get("max_dev")
    if known is not None or most is None:
        return known
    regime, classes = Regime.parse(run["regime"]), max(len(run["labels"]), 1)
    if regime.kind == "size":
        return min(regime.count, most)
    return classes * min(regime.count, max(1, most // classes)) if regime.kind == "shot" else None


def train_seconds(run: Record) -> float | None:
    """Of training, scoring dev in between and compiling, as far as they are known; None for a run
    whose training was not timed.
    """
    names = ("train_seconds", "evaluation_seconds", "compile_seconds")
    found = [run["costs"].get(name) for name in names]
    return None if found[0] is None else sum(one or 0.0 for one in found)


def devices(run: Record) -> int:
    """How many devices the run was on."""
    asked = (run["configuration"].get("devices") or {}).get("count")
    return asked or (run.get("hardware") or {}).get("device_count") or 1


def _stages(run: Record) -> list[dict[str, Any]] | None:
    """The plain stages of the approach; None for a row without the backbone."""
    approach = run["configuration"].get("approach")
    if not isinstance(approach, dict) or approach.get("baseline") is not None:
        return None
    return approach.get("stages")


def _methods(stage: dict[str, Any]) -> list[dict[str, Any]]:
    return stage["methods"] if "methods" in stage else [stage.get("method") or {}]


def _moments(run: Record) -> int | None:
    """The state of AdamW, of a single stage."""
    stages = _stages(run)
    if not stages or len(stages) > 1 or stages[0]["schedule"]["optimizer"] != "adamw":
        return None
    return MOMENTS * 4 * run["costs"]["trained_params"]

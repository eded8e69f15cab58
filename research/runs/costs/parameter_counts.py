"""Parameters that an approach trains and stores, from the shapes of a backbone alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp

from research.experiments.approach import Approach
from research.experiments.stage_sequence import methods_after, methods_during
from research.methods.method import Leaves, Method, Words
from research.methods.shared.leaves import add, mask, paths_of, stored_frozen, without_head
from research.methods.shared.merging import merged
from research.models.backbone import shapes
from research.models.model import Model
from research.runs.costs.measured import stored


@dataclass(frozen=True)
class ParameterCounts:
    """Counts of an approach's parameters.

    Attributes:
        trained: parameters that any stage trains.
        head: those of a classification head among them.
        whole: all parameters of the run, without those of a classification head.
        stored_bytes: bytes of the stored leaves in float32.
        stages: for each stage, its leaves and the paths of those that it trains.
    """

    trained: int
    head: int
    whole: int
    stored_bytes: int
    stages: tuple[tuple[Leaves, frozenset[str]], ...]

    @property
    def share(self) -> float:
        """The trained share of the parameters, without heads, as papers report it."""
        return (self.trained - self.head) / self.whole


def parameter_counts(
    approach: Approach, backbone: Leaves, labels: Sequence[tuple[str, ...]]
) -> ParameterCounts:
    """Counts the parameters of an approach, stage by stage.

    Args:
        approach: the approach.
        backbone: leaves of the backbone, or their shapes.
        labels: labels of each stage's task.

    Raises InputError for a method that does not fit the backbone.
    """
    leaves: Leaves = dict(backbone)
    changed: Leaves = {}
    trained: Leaves = {}
    added: Leaves = {}
    stages = []
    for index, (stage, stage_labels) in enumerate(zip(approach.stages, labels, strict=True)):
        # No shape depends on the token of a label's text.
        words = Words(stage_labels, lambda text: [0])
        if stage.lends_head:
            leaves = without_head(leaves)
        for method in stage.methods:
            if not paths_of(method, leaves):
                initial = partial(add, method, words=words)
                leaves |= jax.eval_shape(initial, jax.random.PRNGKey(0), leaves)
        trains = mask(stage.methods, leaves)
        in_stage = {path: leaf for path, leaf in leaves.items() if trains[path]}
        stages.append((dict(leaves), frozenset(in_stage)))
        trained = trained | in_stage
        changed = changed | in_stage | stored_frozen(stage.methods, leaves, trains)
        added |= {path: leaf for path, leaf in leaves.items() if path not in backbone}
        if stage.merge:
            before = methods_after(approach.stages[:index])
            leaves, by_merge = _merged(methods_during(stage, before), leaves)
            changed = {path: leaf for path, leaf in changed.items() if path in leaves} | by_merge
        if stage.lends_head:
            leaves, changed = without_head(leaves), without_head(changed)
    stored_shapes = jax.eval_shape(partial(stored, methods=methods_after(approach.stages)), changed)
    return ParameterCounts(
        trained=_count(trained),
        head=_count(trained, "head:"),
        whole=_count(backbone) + _count(added) - _count({**backbone, **added}, "head:"),
        stored_bytes=4 * _count(stored_shapes),
        stages=tuple(stages),
    )


def backbone_shapes(model: Model) -> Leaves:
    """The leaves of a model and of its classification head, as shapes in float32."""
    whole = {**shapes(model), **model.head_shapes()}
    leaves = {path: jax.ShapeDtypeStruct(shape, jnp.float32) for path, shape in whole.items()}
    return cast(Leaves, leaves)


def _merged(methods: tuple[Method, ...], leaves: Leaves) -> tuple[Leaves, Leaves]:
    """(the leaves after merging, those that merging changes)."""
    same = set()

    def fold(traced: Leaves) -> Leaves:
        whole = merged(methods, traced)
        same.update(path for path, leaf in whole.items() if leaf is traced.get(path))
        return whole

    whole = jax.eval_shape(fold, leaves)
    return whole, {path: leaf for path, leaf in whole.items() if path not in same}


def _count(leaves: Leaves, start: str = "") -> int:
    return sum(leaf.size for path, leaf in leaves.items() if path.startswith(start))

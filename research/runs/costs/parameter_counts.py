"""How much an approach trains and keeps, from the shapes of a backbone alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp

from research.experiments.approach import Approach
from research.methods.method import Leaves, Method, Words
from research.methods.shared.leaves import add, mask, stored_frozen, without_head
from research.methods.shared.merging import merged
from research.models.backbone import shapes
from research.models.model import Model
from research.runs.costs.measured import stored


@dataclass(frozen=True)
class ParameterCounts:
    """trained: parameters that some stage trains, of which `head` are a classification head's.
    whole: all parameters of the run, a head's left out. stored_bytes: of what is kept, in float32.
    stages: the leaves at work in each stage, and the paths of those that it trains.
    """

    trained: int
    head: int
    whole: int
    stored_bytes: int
    stages: tuple[tuple[Leaves, frozenset[str]], ...]

    @property
    def share(self) -> float:
        """The trained part of the parameters, heads left out: as papers count."""
        return (self.trained - self.head) / self.whole


def parameter_counts(
    approach: Approach, backbone: Leaves, labels: Sequence[tuple[str, ...]]
) -> ParameterCounts:
    """What the stages of an approach come to, one after the other; `backbone` may be shapes.

    labels: of the task of each stage. Raises InputError for a method that does not fit the
    backbone.
    """
    reached: Leaves = dict(backbone)
    changed: Leaves = {}
    trained: Leaves = {}
    added: Leaves = {}
    stages = []
    for index, (stage, own) in enumerate(zip(approach.stages, labels, strict=True)):
        # A label's text has some token; which one changes no shape.
        words = Words(own, lambda text: [0])
        if stage.lends_head:
            reached = without_head(reached)
        for method in stage.methods:
            if not any(path.startswith(f"{method.name}:") for path in reached):
                begun = partial(add, method, words=words)
                reached |= jax.eval_shape(begun, jax.random.PRNGKey(0), reached)
        trains = mask(stage.methods, reached)
        now = {path: leaf for path, leaf in reached.items() if trains[path]}
        stages.append((dict(reached), frozenset(now)))
        trained = trained | now
        changed = changed | now | stored_frozen(stage.methods, reached, trains)
        added |= {path: leaf for path, leaf in reached.items() if path not in backbone}
        if stage.merge:
            before = approach.at_work(index)
            reached, folded = _merged(approach.in_training(index, before), reached)
            changed = {path: leaf for path, leaf in changed.items() if path in reached} | folded
        if stage.lends_head:
            reached, changed = without_head(reached), without_head(changed)
    head = _count(trained, "head:")
    whole = _count(backbone) + _count(added) - _count({**backbone, **added}, "head:")
    kept = jax.eval_shape(partial(stored, methods=approach.at_work()), changed)
    return ParameterCounts(_count(trained), head, whole, 4 * _count(kept), tuple(stages))


def backbone_shapes(model: Model) -> Leaves:
    """The leaves of a model, a classification head's among them, as shapes of float32."""
    whole = {**shapes(model), **model.head_shapes()}
    leaves = {path: jax.ShapeDtypeStruct(shape, jnp.float32) for path, shape in whole.items()}
    return cast(Leaves, leaves)


def _merged(methods: tuple[Method, ...], leaves: Leaves) -> tuple[Leaves, Leaves]:
    """(the leaves after merging, those of them that it changes)."""
    same = set()

    def fold(traced: Leaves) -> Leaves:
        whole = merged(methods, traced)
        same.update(path for path, leaf in whole.items() if leaf is traced.get(path))
        return whole

    whole = jax.eval_shape(fold, leaves)
    return whole, {path: leaf for path, leaf in whole.items() if path not in same}


def _count(leaves: Leaves, start: str = "") -> int:
    return sum(leaf.size for path, leaf in leaves.items() if path.startswith(start))

"""Scores a batch in one forward pass of one backbone, each row with its own adapter."""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import jax
import jax.numpy as jnp

from research.evaluation.batch import Rows
from research.evaluation.scoring import label_scores
from research.methods.adapted import Adapted
from research.methods.method import Array, Leaves, Method
from research.models.model import Model
from research.serving.stacked_adapters import PrefixState, StackedAdapters


@dataclass(frozen=True)
class RowAdapted(Adapted):
    """An adapted backbone whose prefix has been computed before.

    Attributes:
        before: the prefix.
    """

    before: PrefixState | None = None

    def prefix(self, opening: Array, length: Array, key: jax.Array | None = None):
        del opening, length, key
        return self.layer_prefixes()

    def layer_prefixes(self):
        assert self.before is not None
        memory = self.before.memory
        return () if memory is None else (memory,), jnp.asarray(self.before.offset)

    def prompt_embeddings(self, opening: Array):
        del opening
        assert self.before is not None
        return jnp.asarray(self.before.embeddings), self.before.soft


def mixed_scores(
    model: Model, dtype: Any, params: Leaves, adapters: StackedAdapters, rows: Rows, which: Array
) -> jax.Array:
    """`label_scores` [B, C] of row i with adapter number `which[i]`; -inf for missing classes.

    Args:
        params: of the backbone.
        adapters: K adapters.
        rows: B rows.
        which: [B] number of each row's adapter.
    """

    def scored(row: Rows, k: Array) -> jax.Array:
        at_k = itemgetter(k)
        mixture, leaves = adapters.layers.of(k)
        methods: tuple[Method, ...] = (mixture,)
        if adapters.head is not None:
            head = jax.tree.map(at_k, adapters.head)
            methods, leaves = (mixture, *head.methods), {**leaves, **head.leaves}
        before, frame, labels = jax.tree.map(
            at_k, (adapters.before, adapters.frame, adapters.labels)
        )
        adapted = RowAdapted(model, methods, {**params, **leaves}, dtype, before=before)
        alone = jax.tree.map(lambda x: jnp.asarray(x)[None], row)
        scores = label_scores(adapted, alone, frame, labels)[0]
        return jnp.where(jnp.arange(len(scores)) < adapters.classes[k], scores, -jnp.inf)

    return jax.vmap(scored)(rows, which)

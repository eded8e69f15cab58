"""Head: a layer on top of a backbone that gives one score per class, or a number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from research.methods.method import Leaves, Method, Words, traced_method
from research.methods.shared.leaves import head_leaves, pad_to


@traced_method()
@dataclass(frozen=True)
class Head(Method):
    """`x W + b`, W [D, C] and b [C], on pooled hidden states x [B, D]; C is 1 without labels.

    W starts Gaussian with deviation 0.02, as in BERT. Learning rates: ours, of a head that trains
    alone, in results/minilm_banking77_agnews; the same for backbones of all sizes, since the head
    starts anew.

    Attributes:
        pool: `first`: the first position as the backbone pools it (Devlin et al. 2019, arXiv
            1810.04805, section 4.1: BERT's pooler; without one the head has a layer of its own,
            `tanh(x U + c) W + b`, as in RoBERTa's code). `mean`: over a row's positions (Reimers &
            Gurevych 2019, arXiv 1908.10084, section 3). `last`: the last position, which holds the
            token that ends the row; for decoders, whose first position reads no text (Radford et
            al. 2018, "Improving language understanding", section 3.2).
    """

    name: ClassVar[str] = "head"
    family: ClassVar[str] = "layers"
    is_head: ClassVar[bool] = True
    learning_rates: ClassVar[tuple[float, ...]] = (3e-3, 1e-2, 3e-2)
    small_backbone_factor: ClassVar[float] = 1.0
    pool: Literal["first", "mean", "last"] = "first"

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        width, classes = params["embed/embedding"].shape[1], len(words.labels) or 1
        outer, inner = jax.random.split(key)
        leaf: Leaves = {
            "kernel": 0.02 * jax.random.normal(outer, (width, classes)),
            "bias": jnp.zeros(classes),
        }
        if self.pool == "first" and "pooler/kernel" not in params:
            leaf["dense"] = 0.02 * jax.random.normal(inner, (width, width))
            leaf["dense_bias"] = jnp.zeros(width)
        return {"": leaf}

    def pad_for_serving(self, leaf: Leaves, shapes: Mapping[str, tuple[int, ...]]) -> Leaves:
        """With more classes, of probability zero."""
        bias = pad_to(leaf["bias"], shapes["bias"])
        bias[len(leaf["bias"]) :] = -np.inf
        return {**{name: pad_to(array, shapes[name]) for name, array in leaf.items()}, "bias": bias}

    def logits(self, leaf: Leaves, features: jax.Array) -> jax.Array:
        """[B, C] of features [B, D]."""
        if "dense" in leaf:
            features = jnp.tanh(features @ leaf["dense"] + leaf["dense_bias"][None])
        return features @ leaf["kernel"] + leaf["bias"][None]


def with_backbone_head(methods: Sequence[Method], params: Leaves) -> tuple[Method, ...]:
    """The methods, after the head of a backbone that has one, unless a method is a head.

    Args:
        methods: the methods.
        params: leaves of the backbone.
    """
    if head_leaves(params) and not any(method.is_head for method in methods):
        return (Head(), *methods)
    return tuple(methods)

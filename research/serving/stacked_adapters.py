"""Stacks adapters of one backbone, so that each row of a batch can use its own."""

import functools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from research.common.errors import InputError
from research.evaluation.batch import PromptFrame
from research.methods.adapted import Adapted
from research.methods.method import Array, Leaves, Method
from research.methods.shared.leaves import added_to, added_to_layers, flat, pad_to
from research.models.layers.key_value_memory import KeyValueMemory
from research.models.model import Model
from research.serving.mixture import AdapterGroup, Added, GroupedAdapters, group_adapters
from research.tasks.encoding.encoded import Labels


class Adapter(NamedTuple):
    """An adapter of one task; without methods it is the unadapted backbone.

    Attributes:
        methods: its methods.
        leaves: the leaves that they added.
        frame: prefix and suffix of the task's prompts.
        labels: token ids of the labels' texts.
    """

    methods: tuple[Method, ...]
    leaves: Leaves
    frame: PromptFrame
    labels: Labels


class PrefixState(NamedTuple):
    """The prefix of all rows of an adapter.

    Attributes:
        memory: keys and values [1, S, G, K], of which the valid ones are real.
        offset: [] positions that they take.
        embeddings: [N, D], before the rows of an encoder, see `Adapted.prompt_embeddings`.
        soft: [] number of embeddings of a soft prompt; these come first.
    """

    memory: KeyValueMemory | None
    offset: Array
    embeddings: Array
    soft: Array


class StackedAdapters(NamedTuple):
    """K stacked adapters; all arrays but those of `layers` have a first axis K.

    Attributes:
        layers: the changes to layers.
        head: the classification heads; None: no adapter has one.
        before: the prefixes.
        frame: the frames without prefix ids, which are in `before`.
        labels: padded to the largest number of labels and tokens.
        classes: [K] number of labels of each adapter.
    """

    layers: GroupedAdapters
    head: AdapterGroup | None
    before: PrefixState
    frame: PromptFrame
    labels: Labels
    classes: Array


def stack_adapters(
    model: Model, dtype: Any, params: Leaves, adapters: Mapping[str, Adapter]
) -> StackedAdapters:
    """Stacks the adapters of a backbone with parameters `params`, in order.

    Smaller ranks, prompts and numbers of classes are padded without effect on the scores. The
    prefix of each adapter is computed here, once. Raises InputError for an adapter with leaves of
    the backbone or with another number of classes than labels, and for adapters that differ in
    route or in the length of the suffix.
    """
    _check(adapters)
    entries = list(adapters.values())
    layers = jax.device_put(_stacked_layers(entries))
    befores = [
        _before(
            model, dtype, params, layers, np.int32(k), *_whole(entry, of_head=False), entry.frame
        )
        for k, entry in enumerate(entries)
    ]
    memories = [before.memory for before in befores if before.memory is not None]
    nothing = jax.tree.map(lambda x: x[:, :0], memories[0]) if memories else None
    befores = [b if b.memory is not None else b._replace(memory=nothing) for b in befores]
    frames = [entry.frame._replace(prefix_ids=np.zeros(0, np.int32)) for entry in entries]
    return StackedAdapters(
        layers,
        _stacked_heads(adapters),
        jax.tree.map(_side_by_side, *befores),
        jax.tree.map(_side_by_side, *frames),
        jax.tree.map(_side_by_side, *(entry.labels for entry in entries)),
        np.array([len(entry.labels.length) for entry in entries], np.int32),
    )


@functools.partial(jax.jit, static_argnums=(0, 1))
def _before(
    model: Model,
    dtype: Any,
    params: Leaves,
    layers: GroupedAdapters,
    k: Array,
    methods: tuple[Method, ...],
    leaves: Leaves,
    frame: PromptFrame,
) -> PrefixState:
    """The prefix of adapter k; one program for all adapters with the same `methods`, whatever
    they change in layers.

    Args:
        methods: its methods that add to the model as a whole.
        leaves: their leaves.
    """
    mixture, changed = layers.of(k)
    adapted = Adapted(model, (mixture, *methods), {**params, **changed, **leaves}, dtype)
    embeddings, soft = adapted.prompt_embeddings(frame.prefix_ids)
    if adapted.route == "causal":
        memories, offset = adapted.prefix(frame.prefix_ids, frame.prefix_length)
        embeddings, soft = embeddings[:0], 0
    else:
        memories, offset = adapted.layer_prefixes()
    joined = jax.tree.map(lambda *x: jnp.concatenate(x, axis=1), *memories) if memories else None
    return PrefixState(joined, offset, embeddings, jnp.asarray(soft, jnp.int32))


def _whole(adapter: Adapter, of_head: bool) -> Added:
    """The methods that add to the model as a whole alone: on top of it, or before its rows."""
    methods = tuple(
        method
        for method in adapter.methods
        if method.is_head == of_head and added_to(method, adapter.leaves).keys() == {""}
    )
    names = tuple(f"{method.name}:" for method in methods)
    return methods, {p: x for p, x in adapter.leaves.items() if p.startswith(names)}


def _stacked_layers(entries: Iterable[Adapter]) -> GroupedAdapters:
    """What adapters change in layers; leaves that all layers of one share stand at each of them."""
    adapters: list[Added] = []
    for adapter in entries:
        leaves: Leaves = {}
        for method in adapter.methods:
            leaves |= flat(method, added_to_layers(method, adapter.leaves))
        adapters.append((adapter.methods, leaves))
    return group_adapters(adapters)


def _stacked_heads(adapters: Mapping[str, Adapter]) -> AdapterGroup | None:
    """The stacked heads. Raises InputError unless all have a head of one form, or none has."""
    stacked = group_adapters([_whole(adapter, of_head=True) for adapter in adapters.values()])
    for name, kind in zip(adapters, np.asarray(stacked.kind), strict=True):
        if kind != stacked.kind[0]:
            allowed = "all adapters of a batch have a classification head, of one form, or none has"
            raise InputError("adapter", name, allowed)
    return stacked.kinds[0] if stacked.kinds else None


def _check(adapters: Mapping[str, Adapter]) -> None:
    """Raises InputError for the first adapter that cannot share a batch with the others."""
    closing = len(next(iter(adapters.values())).frame.suffix_ids)
    for name, adapter in adapters.items():
        if any(":" not in path for path in adapter.leaves):
            allowed = "it trained leaves of the backbone itself, so it cannot share a backbone"
            raise InputError("adapter", name, allowed)
        classes, count = adapter.leaves.get("head:/bias"), len(adapter.labels.length)
        if classes is not None and len(classes) != count:
            allowed = f"its classification head has {len(classes)} classes, its labels are {count}"
            raise InputError("adapter", name, allowed)
        if len(adapter.frame.suffix_ids) != closing:
            allowed = "what closes its prompts is not as many tokens as with the other adapters"
            raise InputError("adapter", name, allowed)


def _side_by_side(*arrays: Array) -> np.ndarray:
    """K arrays as [K, ...], zero-padded to the largest."""
    shape = tuple(map(max, zip(*(array.shape for array in arrays), strict=True)))
    return np.stack([pad_to(array, shape) for array in arrays])

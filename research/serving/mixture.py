"""Groups adapters of one backbone so that each row can use its own."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from research.methods.method import Array, LayerCall, Leaves, Method, traced_method
from research.methods.shared.leaves import added_to

Added = tuple[tuple[Method, ...], Leaves]  # methods and the leaves they add


class AdapterGroup(NamedTuple):
    """M adapters with equal methods on the same layers, which differ in their numbers alone.

    Attributes:
        methods: their traced fields are [M].
        leaves: [M, ...], by the paths that each has alone.
    """

    methods: tuple[Method, ...]
    leaves: Leaves


class GroupedAdapters(NamedTuple):
    """K adapters in groups.

    Attributes:
        kinds: the groups.
        kind: [K] group of each adapter, -1 for an adapter without leaves.
        member: [K] number of each adapter in its group.
    """

    kinds: tuple[AdapterGroup, ...]
    kind: Array
    member: Array

    def of(self, k: Array) -> "tuple[Mixture, Leaves]":
        """(mixture that applies adapter k [], its leaves); of other groups it has any member."""
        members = [
            jax.tree.map(itemgetter(jnp.where(self.kind[k] == g, self.member[k], 0)), kind)
            for g, kind in enumerate(self.kinds)
        ]
        leaves = {
            f"{Mixture.name}:{path}/{g}.{m}.{name}": array
            for g, kind in enumerate(members)
            for m, method in enumerate(kind.methods)
            for path, leaf in added_to(method, kind.leaves).items()
            for name, array in leaf.items()
        }
        return Mixture(self.kind[k], tuple(kind.methods for kind in members)), leaves


@traced_method("kind", "kinds")
@dataclass(frozen=True)
class Mixture(Method):
    """Each layer as one of several adapters changes it. Leaf `a` of method m of group g is `g.m.a`.

    Attributes:
        kind: [] the group whose output is used; negative: the layer itself.
        kinds: the methods of each group, all of which are computed.
    """

    name: ClassVar[str] = "mixture"
    kind: Array
    kinds: tuple[tuple[Method, ...], ...]

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        plain = site.call(x)

        def call(inputs: jax.Array) -> jax.Array:  # computed once for groups that do not change x
            return plain if inputs is x else site.call(inputs)

        mixed = plain
        for g, methods in enumerate(self.kinds):
            changed: Callable[[jax.Array], jax.Array] = call
            for m, method in enumerate(methods):
                start = f"{g}.{m}."
                added = {n[len(start) :]: x for n, x in leaf.items() if n.startswith(start)}
                if added:
                    below = LayerCall(changed, site.kernel, site.keys)
                    changed = partial(method.layer, added, site=below)
            if changed is not call:
                mixed = jnp.where(self.kind == g, changed(x), mixed)
        return mixed


def group_adapters(adapters: Sequence[Added]) -> GroupedAdapters:
    """The adapters in as few groups as possible; adapters without leaves are in none.

    A group's methods differ in traced and training-only fields alone, and their leaves stand at
    the same paths, in shapes that are equal or that the method can pad.
    """
    groups: dict[Hashable, list[Added]] = {}
    kind, member = [], []
    for adapter in map(_serving_form, adapters):
        group = groups.setdefault(_form(adapter), []) if adapter[1] else []
        kind.append(list(groups).index(_form(adapter)) if adapter[1] else -1)
        member.append(len(group))
        group.append(adapter)
    kinds = tuple(map(_stacked, groups.values()))
    return GroupedAdapters(kinds, np.array(kind, np.int32), np.array(member, np.int32))


def _serving_form(adapter: Added) -> Added:
    """The adapter without methods that add no leaves; training-only fields are at their default."""
    methods, leaves = adapter
    plain = []
    for method in methods:
        if added_to(method, leaves):
            unused = {f.name: f.default for f in fields(method) if f.name in method.training_only}
            plain.append(replace(method, **unused))
    return tuple(plain), leaves


def _form(adapter: Added) -> Hashable:
    """A key that all adapters of a group share."""
    methods, leaves = adapter
    positions = []
    for method in methods:
        for path, leaf in sorted(added_to(method, leaves).items()):
            shapes = {name: array.shape for name, array in leaf.items()}
            fixed = method.pad_for_serving(leaf, shapes) is None
            positions.append(
                (method.name, path, tuple(sorted(shapes.items() if fixed else shapes)))
            )
    return jax.tree.structure(methods), tuple(positions)


def _stacked(adapters: Sequence[Added]) -> AdapterGroup:
    all_leaves = [leaves for _, leaves in adapters]
    shapes = {
        path: tuple(map(max, zip(*(leaves[path].shape for leaves in all_leaves), strict=True)))
        for path in all_leaves[0]
    }
    padded = [_padded(methods, leaves, shapes) for methods, leaves in adapters]
    return AdapterGroup(
        jax.tree.map(lambda *x: np.array(x, np.float32), *(methods for methods, _ in adapters)),
        {path: np.stack([leaves[path] for leaves in padded]) for path in shapes},
    )


def _padded(methods: tuple[Method, ...], leaves: Leaves, shapes: dict[str, Any]) -> Leaves:
    """All leaves, padded to these shapes."""
    result = dict(leaves)
    for method in methods:
        largest = cast(Mapping[str, Mapping[str, tuple[int, ...]]], added_to(method, shapes))
        for path, leaf in added_to(method, leaves).items():
            if any(array.shape != largest[path][name] for name, array in leaf.items()):
                wide = method.pad_for_serving(leaf, largest[path])
                assert wide is not None  # `_form` separates adapters that cannot be padded
                result |= {f"{method.name}:{path}/{name}": array for name, array in wide.items()}
    return result

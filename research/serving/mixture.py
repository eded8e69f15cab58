"""A mixture: adapters of one backbone, of which each row has its own."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from operator import itemgetter
from typing import Any, ClassVar, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from research.methods.method import Array, LayerCall, Leaves, Method, added_to, traced_method

Added = tuple[tuple[Method, ...], Leaves]  # methods and the leaves they add


class AdapterGroup(NamedTuple):
    """M adapters that change the same layers in the same way, each by its own numbers.

    methods: their traced fields are [M]. leaves: [M, ...], by the paths that they have alone.
    """

    methods: tuple[Method, ...]
    leaves: Leaves


class GroupedAdapters(NamedTuple):
    """K adapters as kinds: number k is member `member[k]` of kind `kind[k]`, -1 for none."""

    kinds: tuple[AdapterGroup, ...]
    kind: Array
    member: Array

    def of(self, k: Array) -> "tuple[Mixture, Leaves]":
        """(the mixture with adapter k [] chosen, its leaves); of other kinds it has any member."""
        own = [
            jax.tree.map(itemgetter(jnp.where(self.kind[k] == g, self.member[k], 0)), kind)
            for g, kind in enumerate(self.kinds)
        ]
        leaves = {
            f"{Mixture.name}:{path}/{g}.{m}.{name}": array
            for g, kind in enumerate(own)
            for m, method in enumerate(kind.methods)
            for path, leaf in added_to(method, kind.leaves).items()
            for name, array in leaf.items()
        }
        return Mixture(self.kind[k], tuple(kind.methods for kind in own)), leaves


@traced_method("kind", "kinds")
@dataclass(frozen=True)
class Mixture(Method):
    """Each layer as one of several adapters changes it.

    kinds: the methods of each kind, all of which are computed. kind: [] which of them is taken; a
    negative one is the layer itself. `g.m.a` is the leaf `a` of method m of kind g.
    """

    name: ClassVar[str] = "mixture"
    kind: Array
    kinds: tuple[tuple[Method, ...], ...]

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        plain = site.call(x)

        def call(given: jax.Array) -> jax.Array:  # one for all kinds that leave x as it is
            return plain if given is x else site.call(given)

        mixed = plain
        for g, methods in enumerate(self.kinds):
            changed: Callable[[jax.Array], jax.Array] = call
            for m, method in enumerate(methods):
                start = f"{g}.{m}."
                if own := {n[len(start) :]: x for n, x in leaf.items() if n.startswith(start)}:
                    below = LayerCall(changed, site.kernel, site.keys)
                    changed = partial(method.layer, own, site=below)
            if changed is not call:
                mixed = jnp.where(self.kind == g, changed(x), mixed)
        return mixed


def group_adapters(adapters: Sequence[Added]) -> GroupedAdapters:
    """The adapters in as few kinds as there can be; those without leaves are of none.

    Of one kind are those whose methods differ in traced and settled fields alone, and whose leaves
    stand at the same places, in shapes that are equal or that their method can widen.
    """
    groups: dict[Hashable, list[Added]] = {}
    kind, member = [], []
    for adapter in map(_settled, adapters):
        group = groups.setdefault(_form(adapter), []) if adapter[1] else []
        kind.append(list(groups).index(_form(adapter)) if adapter[1] else -1)
        member.append(len(group))
        group.append(adapter)
    kinds = tuple(map(_stacked, groups.values()))
    return GroupedAdapters(kinds, np.array(kind, np.int32), np.array(member, np.int32))


def _settled(adapter: Added) -> Added:
    """Without methods that add no leaves; what nothing reads any more is at its default."""
    methods, leaves = adapter
    plain = []
    for method in methods:
        if added_to(method, leaves):
            given = {f.name: f.default for f in fields(method) if f.name in method.training_only}
            plain.append(replace(method, **given))
    return tuple(plain), leaves


def _form(adapter: Added) -> Hashable:
    """What all adapters of a kind have in common."""
    methods, leaves = adapter
    places = []
    for method in methods:
        for path, leaf in sorted(added_to(method, leaves).items()):
            shapes = {name: array.shape for name, array in leaf.items()}
            fixed = method.pad_for_serving(leaf, shapes) is None
            places.append((method.name, path, tuple(sorted(shapes.items() if fixed else shapes))))
    return jax.tree.structure(methods), tuple(places)


def _stacked(adapters: Sequence[Added]) -> AdapterGroup:
    every = [leaves for _, leaves in adapters]
    shapes = {
        path: tuple(map(max, zip(*(leaves[path].shape for leaves in every), strict=True)))
        for path in every[0]
    }
    wide = [_widened(methods, leaves, shapes) for methods, leaves in adapters]
    return AdapterGroup(
        jax.tree.map(lambda *x: np.array(x, np.float32), *(methods for methods, _ in adapters)),
        {path: np.stack([leaves[path] for leaves in wide]) for path in shapes},
    )


def _widened(methods: tuple[Method, ...], leaves: Leaves, shapes: dict[str, Any]) -> Leaves:
    """All leaves, in these shapes."""
    result = dict(leaves)
    for method in methods:
        largest = cast(Mapping[str, Mapping[str, tuple[int, ...]]], added_to(method, shapes))
        for path, leaf in added_to(method, leaves).items():
            if any(array.shape != largest[path][name] for name, array in leaf.items()):
                wide = method.pad_for_serving(leaf, largest[path])
                assert wide is not None  # `_form` keeps those apart that cannot be widened
                result |= {f"{method.name}:{path}/{name}": array for name, array in wide.items()}
    return result

"""What a method is: what it adds beside the backbone, what it trains, what it changes.

A backbone never knows how it is adapted. All arrays live in one flat dict of leaves
(`Leaves`): backbone leaves under their own path, a method's leaves under `<name>:<path>`.
"""

import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike

from research.models.checkpoint.weights import Array, Leaves


class Words(NamedTuple):
    """What a task offers to the start of a method.

    labels: the text of each, in their order; of a task without labels, words that it names. ids:
    the token ids of a text.
    """

    labels: tuple[str, ...]
    ids: Callable[[str], Sequence[int]]


class LayerCall(NamedTuple):
    """A backbone layer as a method meets it.

    call: the layer beneath, `[B, T, D_in] -> [B, T, D_out]`; a pooler's has no T.
    kernel: its kernel `[D_in, D_out]`.
    keys: one random key per row `[B]` while training, None while evaluating.
    """

    call: Callable[[jax.Array], jax.Array]
    kernel: jax.Array | None
    keys: jax.Array | None


@dataclass(frozen=True)
class Method:
    """A way to adapt a backbone; the default does nothing.

    Subclasses are frozen dataclasses registered as pytrees (`traced_method`): fields named there
    are traced, so that one compiled step serves all their values; all others are static.
    """

    name: ClassVar[str]
    is_head: ClassVar[bool] = False  # whether it classifies, see `Head`
    neutral: ClassVar[bool] = True  # whether a backbone is itself before the first step
    settled: ClassVar[tuple[str, ...]] = ()  # fields that nothing reads once training is over
    # Those tried on dev where a row names none, for AdamW; a method says where it has them from.
    learning_rates: ClassVar[tuple[float, ...]] = ()

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        """New leaves, as {module path: {leaf name: array}}; '' is the model as a whole."""
        del key, params, words
        return {}

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        """The backbone leaves, out of `paths`, that train."""
        del paths
        return ()

    def rate(self, path: str) -> ArrayLike | None:
        """How many times the stage's learning rate that of a leaf it added is; None: once."""
        del path

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        """Output of the layer at `site` for `x` [B, T, D_in], changed by the leaves added there."""
        del leaf
        return site.call(x)

    def merge(self, leaf: Leaves, layer: Leaves) -> Leaves | None:
        """The layer's own leaves, `kernel` [D_in, D_out] and perhaps `bias` [D_out], with which it
        does alone what it does with `leaf`; None where there are none such.
        """
        del leaf, layer

    def widened(self, leaf: Leaves, shapes: Mapping[str, tuple[int, ...]]) -> Leaves | None:
        """Leaves of the larger `shapes`, by leaf name, that do what `leaf` does; None where there
        are none such, so that only leaves of equal shapes stack.
        """
        del leaf, shapes

    def stored(self, leaf: Leaves) -> Leaves:
        """What of the leaves added to one layer is kept once training is over."""
        return leaf

    @property
    def sources(self) -> tuple[Path, ...]:
        """The files its leaves start from; what is in them is part of a run's identity."""
        return ()

    @property
    def positions(self) -> int:
        """How many positions of the context it takes."""
        return 0

    def prefix(self, leaf: Leaves) -> Array | None:
        """Embeddings [P, D] that stand before every row, if the method adds some."""
        del leaf
        return None

    def memory(self, leaf: Leaves) -> tuple[Array, Array] | None:
        """Keys and values, each [L, P, G * K], that stand before those of L layers, if any."""
        del leaf
        return None


def traced_method(*traced: str) -> Callable[[type], type]:
    """Class decorator: a pytree whose `traced` fields are leaves and whose others are static."""

    def register(cls: type) -> type:
        static = [f.name for f in fields(cls) if f.name not in traced]
        return jax.tree_util.register_dataclass(cls, data_fields=list(traced), meta_fields=static)

    return register


def pad_to(array: Array, shape: tuple[int, ...]) -> np.ndarray:
    """The array [...] in a larger `shape`, with zeros behind."""
    larger = np.zeros(shape, array.dtype)
    larger[tuple(map(slice, array.shape))] = array
    return larger


def path_key(key: jax.Array, path: str) -> jax.Array:
    """A random key that depends on the path alone, not on the order of leaves."""
    return jax.random.fold_in(key, zlib.crc32(path.encode()))


def add(method: Method, key: jax.Array, params: Leaves, words: Words) -> Leaves:
    """The leaves `method` adds, flat: `<name>:<module path>/<leaf name>`."""
    added = method.init(path_key(key, method.name), backbone(params), words)
    return {
        f"{method.name}:{path}/{leaf}": array
        for path, leaves in added.items()
        for leaf, array in leaves.items()
    }


def added_to(method: Method, leaves: Leaves) -> dict[str, Leaves]:
    """The inverse of `add`: {module path: {leaf name: array}} of this method's leaves."""
    own: dict[str, Leaves] = {}
    for path, array in leaves.items():
        if path.startswith(f"{method.name}:"):
            module, _, leaf = path.removeprefix(f"{method.name}:").rpartition("/")
            own.setdefault(module, {})[leaf] = array
    return own


def adding(methods: Iterable[Method], leaves: Leaves) -> tuple[Method, ...]:
    """Those that added leaves. The others change what trains, and nothing of the computation: a
    fully fine-tuned backbone runs by the program of the frozen one.
    """
    return tuple(method for method in methods if added_to(method, leaves))


def backbone(leaves: Leaves) -> Leaves:
    """The leaves that no method added."""
    return {path: array for path, array in leaves.items() if ":" not in path}


def without_head(leaves: Leaves) -> Leaves:
    """All but those of a classification head."""
    return {path: array for path, array in leaves.items() if not path.startswith("head:")}


def mask(methods: Iterable[Method], leaves: Leaves) -> dict[str, bool]:
    """True for the leaves that train: the methods' own and the backbone's that one of them names.

    The one mask: it decides what is differentiated, has optimizer state, is clipped, decayed,
    counted and saved.
    """
    methods = tuple(methods)
    own = tuple(f"{method.name}:" for method in methods)
    paths = list(backbone(leaves))
    trained = {path for method in methods for path in method.trains(paths)}
    return {path: path in trained or path.startswith(own) for path in leaves}


def split(leaves: Leaves, trained: dict[str, bool]) -> tuple[Leaves, Leaves]:
    """(trained, frozen); `{**frozen, **trained}` is the inverse."""
    return (
        {path: array for path, array in leaves.items() if trained[path]},
        {path: array for path, array in leaves.items() if not trained[path]},
    )

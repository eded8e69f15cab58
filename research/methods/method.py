"""The interface of a method: the leaves it adds and trains, and how they change the backbone.

A backbone never knows how it is adapted. All arrays live in one flat dict of leaves
(`Leaves`): backbone leaves under their own path, a method's leaves under `<name>:<path>`:

    layers_0/attention/query/kernel         of the backbone
    lora:layers_0/attention/query/a         that LoRA adds to this layer
    soft_prompt:/prompt                     that a soft prompt adds to the model as a whole
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
    """Texts of the task from which a method may start.

    Attributes:
        labels: text of each label, in the task's order; of a task without labels, words that it
            names.
        ids: token ids of a text.
    """

    labels: tuple[str, ...]
    ids: Callable[[str], Sequence[int]]


class LayerCall(NamedTuple):
    """A backbone layer that a method changes.

    Attributes:
        call: the layer itself, `[B, T, D_in] -> [B, T, D_out]`; a pooler's input has no T.
        kernel: its kernel `[D_in, D_out]`.
        keys: one random key per row `[B]` while training, None while evaluating.
    """

    call: Callable[[jax.Array], jax.Array]
    kernel: jax.Array | None
    keys: jax.Array | None


@dataclass(frozen=True)
class Method:
    """A way to adapt a backbone; the default adds and trains nothing.

    Subclasses are frozen dataclasses registered as pytrees (`traced_method`). Fields named there
    are traced, so that one compiled step serves all their values; all others are static.

    Attributes:
        name: in configs, and the prefix of the leaves that it adds.
        family: kind of method, which decides its colour in figures: `soft`, `lora`, `small`,
            `layers`, `full` or `other`.
        is_head: whether it is a classification head, see `Head`.
        neutral: whether the adapted model equals the backbone before the first step.
        training_only: fields that are not read once training is over; adapters that differ in
            them alone can be served by one program.
        peft_type: `peft_type` of the format of Hugging Face PEFT that can hold it; None: none can.
        learning_rates: AdamW learning rates to try on dev where a config names none.
    """

    name: ClassVar[str]
    family: ClassVar[str] = "other"
    is_head: ClassVar[bool] = False
    neutral: ClassVar[bool] = True
    training_only: ClassVar[tuple[str, ...]] = ()
    peft_type: ClassVar[str | None] = None
    learning_rates: ClassVar[tuple[float, ...]] = ()

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        """New leaves, as {module path: {leaf name: array}}.

        Those under '' belong to the model as a whole. If the method also adds leaves to layers,
        every such layer sees them beside its own.
        """
        del key, params, words
        return {}

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        """Backbone leaves, out of `paths`, that train; the others stay frozen."""
        del paths
        return ()

    def freezes(self, paths: Collection[str]) -> Iterable[str]:
        """Leaves of its own, out of `paths` (`<name>:...`), that stay frozen; the others train."""
        del paths
        return ()

    def penalty(self, added: dict[str, Leaves]) -> jax.Array | None:
        """Scalar [] that training adds to the mean loss of a step; None: nothing.

        It is added once per optimizer step, whatever the batch size, the micro-batches and the
        devices. The reported loss leaves it out.

        Args:
            added: the method's leaves, as `init` returns them.
        """
        del added

    def rate(self, path: str) -> ArrayLike | None:
        """Factor on the stage's learning rate for a leaf of its own; None: 1."""
        del path

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        """Output of the layer at `site` for `x` [B, T, D_in], changed by the leaves added there."""
        del leaf
        return site.call(x)

    def merge(self, leaf: Leaves, layer: Leaves) -> Leaves | None:
        """The backbone's leaves of a layer, `kernel` [D_in, D_out] and perhaps `bias` [D_out],
        changed so that the layer alone computes what it computes with `leaf`; None: impossible.
        """
        del leaf, layer

    def stored(self, leaf: Leaves) -> Leaves:
        """The part of the leaves added to one layer that is stored after training."""
        return leaf

    def redrawn(self, params: Leaves) -> dict[str, Leaves]:
        """Leaves that `stored` leaves out because they follow from the settings and the shapes of
        the backbone alone; in the form of `init`.
        """
        del params
        return {}

    def pad_for_serving(self, leaf: Leaves, shapes: Mapping[str, tuple[int, ...]]) -> Leaves | None:
        """Leaves of the larger `shapes`, by leaf name, that compute the same as `leaf`, so that
        adapters of several sizes can be stacked; None: only equal shapes stack.
        """
        del leaf, shapes

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files that its leaves start from; their content is part of a run's id."""
        return ()

    @property
    def positions(self) -> int:
        """Number of positions of the context that it takes."""
        return 0

    def prefix(self, leaf: Leaves) -> Array | None:
        """Embeddings [P, D] that stand before every row; None: none."""
        del leaf
        return None

    def memory(self, leaf: Leaves) -> tuple[Array, Array] | None:
        """Keys and values, each [L, P, G * K], that stand before those of L layers; None: none."""
        del leaf
        return None


def traced_method(*traced: str) -> Callable[[type], type]:
    """Class decorator: registers a dataclass as a pytree whose `traced` fields are its leaves."""

    def register(cls: type) -> type:
        static = [f.name for f in fields(cls) if f.name not in traced]
        return jax.tree_util.register_dataclass(cls, data_fields=list(traced), meta_fields=static)

    return register


def pad_to(array: Array, shape: tuple[int, ...]) -> np.ndarray:
    """The array zero-padded at the end of each axis to a larger `shape`."""
    larger = np.zeros(shape, array.dtype)
    larger[tuple(map(slice, array.shape))] = array
    return larger


def path_key(key: jax.Array, path: str) -> jax.Array:
    """A random key that depends on the path alone, not on the order of leaves."""
    return jax.random.fold_in(key, zlib.crc32(path.encode()))


def add(method: Method, key: jax.Array, params: Leaves, words: Words) -> Leaves:
    """The leaves that `method` adds, flat: `<name>:<module path>/<leaf name>`."""
    return flat(method, method.init(path_key(key, method.name), backbone(params), words))


def flat(method: Method, added: Mapping[str, Leaves]) -> Leaves:
    """Leaves {module path: {leaf name: array}} of a method as one flat dict."""
    return {
        f"{method.name}:{path}/{leaf}": array
        for path, leaves in added.items()
        for leaf, array in leaves.items()
    }


def added_to(method: Method, leaves: Leaves) -> dict[str, Leaves]:
    """The inverse of `flat`: {module path: {leaf name: array}} of this method's leaves."""
    added: dict[str, Leaves] = {}
    for path, array in leaves.items():
        if path.startswith(f"{method.name}:"):
            module, _, leaf = path.removeprefix(f"{method.name}:").rpartition("/")
            added.setdefault(module, {})[leaf] = array
    return added


def added_to_layers(method: Method, leaves: Leaves) -> dict[str, Leaves]:
    """{layer path: {leaf name: array}}: as each layer sees the method's leaves, those of the
    model as a whole among them.
    """
    added = added_to(method, leaves)
    shared = added.pop("", {})
    return {path: {**shared, **leaf} for path, leaf in added.items()}


def adding(methods: Iterable[Method], leaves: Leaves) -> tuple[Method, ...]:
    """The methods that added leaves.

    The others change what trains, and nothing of the computation: a fully fine-tuned backbone
    runs by the program of the frozen one.
    """
    return tuple(method for method in methods if added_to(method, leaves))


def backbone(leaves: Leaves) -> Leaves:
    """The leaves that no method added."""
    return {path: array for path, array in leaves.items() if ":" not in path}


def without_head(leaves: Leaves) -> Leaves:
    """All leaves but those of a classification head."""
    return {path: array for path, array in leaves.items() if not path.startswith("head:")}


def mask(methods: Iterable[Method], leaves: Leaves) -> dict[str, bool]:
    """True for the leaves that train: backbone leaves that a method trains, and the methods' own
    leaves but for those that they freeze.

    The one mask: it decides what is differentiated, has optimizer state, is clipped, decayed,
    counted and saved.
    """
    trained: set[str] = set()
    backbone_paths = list(backbone(leaves))
    for method in methods:
        trained.update(method.trains(backbone_paths))
        method_paths = [path for path in leaves if path.startswith(f"{method.name}:")]
        trained.update(set(method_paths).difference(method.freezes(method_paths)))
    return {path: path in trained for path in leaves}


def split(leaves: Leaves, trained: dict[str, bool]) -> tuple[Leaves, Leaves]:
    """(trained, frozen); `{**frozen, **trained}` is the inverse."""
    return (
        {path: array for path, array in leaves.items() if trained[path]},
        {path: array for path, array in leaves.items() if not trained[path]},
    )


def stored_leaves(methods: Iterable[Method], leaves: Leaves) -> Leaves:
    """The leaves that are stored after training, of the methods' own among `leaves`."""
    stored: Leaves = {}
    for method in methods:
        added = added_to(method, leaves)
        stored |= flat(method, {path: method.stored(leaf) for path, leaf in added.items()})
    return stored


def stored_frozen(methods: Iterable[Method], leaves: Leaves, trained: dict[str, bool]) -> Leaves:
    """The methods' own leaves that do not train and yet have to be stored."""
    frozen: Leaves = {}
    for method in methods:
        method_paths = [path for path in leaves if path.startswith(f"{method.name}:")]
        if not all(trained[path] for path in method_paths):
            stored = stored_leaves((method,), leaves)
            frozen |= {path: array for path, array in stored.items() if not trained[path]}
    return frozen

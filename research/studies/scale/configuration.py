"""A training step in shapes only, without arrays."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh

from research.evaluation.batch import Rows
from research.methods.method import Leaves, Method, Words
from research.methods.shared.leaves import add, mask, split
from research.models.backbone import shapes
from research.runtime.devices import leaf_sharding
from research.training.optimizer import Schedule
from research.training.step import Program, init_state


@dataclass(frozen=True)
class StepConfiguration:
    """A training step on a mesh of devices.

    Attributes:
        model: A `Decoder`.
        method: The method that is trained; None: a forward pass only.
        rows: Rows of a batch per device.
        tokens: Tokens per row.
        targets: Number of last tokens of a row that are predicted.
        data: Size of the mesh's data axis.
        fsdp: Size of the mesh's fsdp axis.
        remat: Whether layers are recomputed for their gradients.
        dtype: dtype of the computation and of frozen weights.
    """

    model: Any  # Pyright takes modules for unhashable
    method: Method | None
    rows: int = 1
    tokens: int = 512
    targets: int = 16
    data: int = 1
    fsdp: int = 1
    remat: bool = False
    dtype: str = "bfloat16"

    @property
    def leaves(self) -> Leaves:
        """The shapes of all leaves, as `dtype`."""
        return _leaves(self.model, self.method, self.dtype)

    @property
    def parts(self) -> tuple[Leaves, Leaves]:
        """(trained, frozen) leaves."""
        return _parts(self.model, self.method, self.dtype)

    @property
    def program(self) -> Program:
        schedule = Schedule(batch_size=self.rows * self.devices)
        return Program(self.model, schedule, jnp.dtype(self.dtype), self.remat)

    @property
    def state(self) -> Any:
        """The shapes of the state before the first step."""
        return _state(self.model, self.method, self.dtype)

    @property
    def devices(self) -> int:
        return self.data * self.fsdp

    @property
    def prefixed(self) -> int:
        """Number of positions before every row."""
        return 0 if self.method is None else self.method.positions

    @property
    def soft(self) -> int:
        """Number of these that pass through the layers, once for all rows."""
        return self.prefixed if self.method and type(self.method).prefix is not Method.prefix else 0

    @property
    def batch(self) -> Rows:
        """The shapes of the whole batch."""
        size = self.rows * self.devices
        sizes = ((size, self.tokens), (size,), (size,), (size, self.targets), (size,), (size,))
        return Rows(*(jax.ShapeDtypeStruct(shape, np.int32) for shape in sizes))  # pyright: ignore

    def held(self, tree: Any) -> int:
        """Bytes of leaves, or of a state, on one device of the mesh."""
        mesh: Any = AbstractMesh((self.data, self.fsdp), ("data", "fsdp"))
        return sum(
            int(np.prod(leaf_sharding(mesh, leaf).shard_shape(leaf.shape))) * leaf.dtype.itemsize
            for leaf in jax.tree.leaves(tree)
        )

    def layers_back(self) -> int:
        """Number of layers through which gradients flow: from the lowest with trained leaves on."""
        trained = self.parts[0]
        parents = [path.rpartition(":")[2].split("/")[0] for path in trained]
        numbers = [int(name[7:]) for name in parents if name.startswith("layers_")]
        below = any(path.startswith("embed/") or ":/" in path for path in trained)
        depth = self.model.config.layers
        return depth if below else depth - min(numbers, default=depth)


@cache
def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    return shapes(model)


@cache
def _leaves(model: Any, method: Method | None, dtype: str) -> Leaves:
    whole: Any = {
        path: jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))
        for path, shape in _shapes(model).items()
    }
    if method is not None:
        added = partial(add, method, words=Words((), lambda text: [0]))
        whole |= jax.eval_shape(added, jax.random.PRNGKey(0), whole)
    return whole


@cache
def _parts(model: Any, method: Method | None, dtype: str) -> tuple[Leaves, Leaves]:
    leaves = _leaves(model, method, dtype)
    return split(leaves, mask(() if method is None else (method,), leaves))


@cache
def _state(model: Any, method: Method | None, dtype: str) -> Any:
    initial = partial(init_state, Program(model, Schedule()))
    return jax.eval_shape(initial, jax.random.PRNGKey(0), _parts(model, method, dtype)[0])

"""A training step of which only the shapes are known."""

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
    """rows: of a batch that one device gets, each of `tokens` tokens of which the last `targets`
    are predicted. data, fsdp: the mesh. dtype: of the computation and of what does not train.
    """

    model: Any  # a Decoder; Pyright holds modules for unhashable
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
        """All leaves, as shapes of `dtype`."""
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
        """The state before the first step, as shapes."""
        return _state(self.model, self.method, self.dtype)

    @property
    def devices(self) -> int:
        return self.data * self.fsdp

    @property
    def prefixed(self) -> int:
        """How many positions stand before every row."""
        return 0 if self.method is None else self.method.positions

    @property
    def soft(self) -> int:
        """How many of these pass through the layers, once for all rows."""
        return self.prefixed if self.method and type(self.method).prefix is not Method.prefix else 0

    @property
    def batch(self) -> Rows:
        """The whole batch, as shapes."""
        size = self.rows * self.devices
        sizes = ((size, self.tokens), (size,), (size,), (size, self.targets), (size,), (size,))
        return Rows(*(jax.ShapeDtypeStruct(shape, np.int32) for shape in sizes))  # pyright: ignore

    def held(self, tree: Any) -> int:
        """Bytes of leaves, or of a state, that one device of the mesh holds."""
        mesh: Any = AbstractMesh((self.data, self.fsdp), ("data", "fsdp"))
        return sum(
            int(np.prod(leaf_sharding(mesh, leaf).shard_shape(leaf.shape))) * leaf.dtype.itemsize
            for leaf in jax.tree.leaves(tree)
        )

    def layers_back(self) -> int:
        """Through how many layers gradients flow: those from the lowest that trains something."""
        trained = self.parts[0]
        found = [path.rpartition(":")[2].split("/")[0] for path in trained]
        numbers = [int(part[7:]) for part in found if part.startswith("layers_")]
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
        begun = partial(add, method, words=Words((), lambda text: [0]))
        whole |= jax.eval_shape(begun, jax.random.PRNGKey(0), whole)
    return whole


@cache
def _parts(model: Any, method: Method | None, dtype: str) -> tuple[Leaves, Leaves]:
    leaves = _leaves(model, method, dtype)
    return split(leaves, mask(() if method is None else (method,), leaves))


@cache
def _state(model: Any, method: Method | None, dtype: str) -> Any:
    begin = partial(init_state, Program(model, Schedule()))
    return jax.eval_shape(begin, jax.random.PRNGKey(0), _parts(model, method, dtype)[0])

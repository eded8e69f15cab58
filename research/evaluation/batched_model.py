"""A model and the batches of examples that it computes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jax.sharding import Mesh

from research.evaluation.length_batches import EQUAL_ROWS, Batch, BatchShapes, length_batches
from research.evaluation.trunk.trunk import Trunk
from research.models.model import Model
from research.runtime.devices import Devices
from research.tasks.encoding.encoded import Encoded

BatchReport = Callable[[int, int], None]  # of the examples that are done, and of all


def ignore_batches(done: int, total: int) -> None:
    """A `BatchReport` that does nothing."""
    del done, total


@dataclass(frozen=True)
class BatchedModel:
    """A model on its devices, and the batches of rows that it computes there.

    A batch of long rows has fewer of them than the batch size, see `BatchShapes.rows`.

    Attributes:
        model: the backbone's architecture.
        devices: the devices over which the rows of a batch are split.
        dtype: the precision of the computation.
        trunk: keeps hidden states below the trained leaves; None to compute them each time.
        shapes: of the batches of prompts.
        report: called after each batch.
    """

    model: Model
    devices: Devices
    dtype: Any
    trunk: Trunk | None = field(default=None, kw_only=True, compare=False)
    shapes: BatchShapes = field(default=EQUAL_ROWS, kw_only=True)
    report: BatchReport = field(default=ignore_batches, compare=False, kw_only=True)

    @cached_property
    def _mesh(self) -> Mesh:
        return self.devices.mesh()

    def _batches(self, rows: Encoded, batch_size: int, **positions: int) -> Iterator[Batch]:
        """The batches of prompts; positions: as in `length_batches`."""
        return length_batches(rows, batch_size, self._mesh.size, self.shapes, **positions)

    def _increasing(self, total: int) -> Callable[[int], None]:
        """Reports the largest number of examples that are done so far."""
        most = 0

        def report(done: int) -> None:
            nonlocal most
            most = max(most, done)
            self.report(most, total)

        return report

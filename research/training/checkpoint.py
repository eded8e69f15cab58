"""Checkpoints of a cohort with Orbax: trained leaves, optimizer state, step and random key.

The backbone is not saved: the metadata has its checksum.
"""

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
from jax.sharding import SingleDeviceSharding

from research.common.errors import InputError, StorageError
from research.common.hashing import arrays_digest, canonical

if TYPE_CHECKING:
    from orbax.checkpoint import v1 as ocp


class Checkpoints:
    """The newest checkpoint of one cohort, written at most every `seconds`.

    A save is complete or absent: a run killed while writing resumes from the checkpoint before.

    Args:
        folder: of the checkpoints.
        identity: plain data that must be equal when training resumes.
        seconds: between two saves.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], seconds: float = 30.0):
        self.folder, self.identity, self.seconds = folder, identity, seconds
        self.saved_at = time.monotonic()

    def of_part(self, begin: int, size: int) -> "Checkpoints":
        """The checkpoints of `size` members from index `begin` on."""
        return Checkpoints(self.folder / f"part_{begin}_{size}", self.identity, self.seconds)

    def due(self) -> bool:
        """Whether `seconds` have passed since the last save."""
        return time.monotonic() - self.saved_at >= self.seconds

    def save(self, step: int, state: Any, progress: Any) -> None:
        """Saves a tree of arrays and plain data `progress` as step `step`.

        Raises StorageError where the disk is full or the system refuses to write.
        """
        with self._storing():
            self._check_room(sum(leaf.nbytes for leaf in jax.tree.leaves(state)))
            with self._checkpointer() as checkpointer:
                metadata = {"identity": self.identity, "progress": _finite(progress)}
                metadata["digest"] = _digest(state, metadata["progress"])
                checkpointer.save(step, state, force=True, overwrite=True, custom_metadata=metadata)
        self.saved_at = time.monotonic()

    def restore(self, like: Any) -> tuple[Any, Any] | None:
        """(state, progress) of the last save, with the shapes of `like`; None without a save.

        Raises InputError if the checkpoint is of another cohort, or damaged.
        """
        if not self.folder.exists():
            return None
        with self._whole(), self._checkpointer() as checkpointer:
            if checkpointer.latest is None:
                return None
            step = checkpointer.latest.step
            metadata = checkpointer.metadata(step).custom_metadata
            if not isinstance(metadata, dict) or metadata["identity"] != self.identity:
                raise InputError("checkpoint", str(self.folder), "it was written by another cohort")
            device = SingleDeviceSharding(jax.devices()[0])
            abstract = jax.tree.map(
                lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), like
            )
            state = checkpointer.load(step, abstract)
            if metadata["digest"] != _digest(state, metadata["progress"]):
                raise ValueError("its numbers are not those that were saved")
            return state, _infinite(metadata["progress"])

    def _check_room(self, needed: int) -> None:
        """Raises StorageError for a disk with fewer than `needed` bytes left.

        Orbax would report it from several threads, in a thousand lines.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            allowed = f"it takes {needed / 1e6:.1f} MB, and its disk has {free / 1e6:.1f} MB left"
            raise StorageError("checkpoint", str(self.folder), allowed)

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """Raises errors of saving as StorageError."""
        try:
            yield
        except StorageError:
            raise
        except (OSError, ValueError, RuntimeError) as error:
            # Orbax gives the system's words at the end of a line with all names of the file.
            *_, reason = str(error).splitlines()[0].rpartition(": ")
            allowed = f"it cannot be written ({reason})"
            raise StorageError("checkpoint", str(self.folder), allowed) from error

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """Raises Orbax's errors for broken files as InputError."""
        try:
            yield
        except InputError:
            raise
        except (ValueError, LookupError, TypeError, OSError) as error:
            allowed = "it is damaged; delete it, and its runs are trained from their start"
            raise InputError("checkpoint", str(self.folder), allowed) from error

    def _checkpointer(self) -> "ocp.training.Checkpointer":
        from orbax.checkpoint import v1 as ocp  # takes a second to import

        newest: Any = ocp.training.preservation_policies.LatestN(1)
        return ocp.training.Checkpointer(
            str(self.folder.absolute()), preservation_policy=newest, cleanup_tmp_directories=True
        )


def _digest(state: Any, progress: Any) -> str:
    """Of all arrays and of the plain data, so that a changed bit is noticed."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(state)
    arrays = {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
    return arrays_digest(arrays, canonical(progress))


_NUMBERS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def _finite(tree: Any) -> Any:
    """The tree with infinities and NaN, which JSON lacks, as the strings of `_NUMBERS`."""
    return jax.tree.map(
        lambda x: str(x) if isinstance(x, float) and not math.isfinite(x) else x, tree
    )


def _infinite(tree: Any) -> Any:
    return jax.tree.map(lambda x: _NUMBERS.get(x, x) if isinstance(x, str) else x, tree)

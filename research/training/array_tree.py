"""Trees of arrays on disk, written and read by Orbax."""

import threading
from pathlib import Path
from typing import Any

import jax
from jax.sharding import SingleDeviceSharding

from research.common.hashing import arrays_digest

# Orbax numbers the operations of a process, and two at a time would take each other's numbers.
_orbax = threading.Lock()


def write_tree(folder: Path, arrays: Any) -> None:
    """Writes a tree of arrays with Orbax, without a copy of them in memory.

    Compressing float32 weights saves 8 % of the disk and takes more than twice as long.
    """
    from orbax.checkpoint import v1 as ocp  # takes a second to import

    context = ocp.Context()
    context.array_options.saving.use_compression = False
    context.memory_options.deepcopy_host_arrays = False
    context.async_options.create_directories_asynchronously = False
    with _orbax, context:
        ocp.save(str(folder.absolute()), arrays)


def read_tree(folder: Path, like: Any) -> Any:
    """Reads a tree of arrays of the structure, shapes and dtypes of `like` onto the first device.

    Raises ValueError, LookupError, TypeError or OSError for damaged files.
    """
    from orbax.checkpoint import v1 as ocp

    device = SingleDeviceSharding(jax.devices()[0])
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), like)
    with _orbax:
        return ocp.load(str(folder.absolute()), abstract)


def bytes_of(arrays: Any) -> int:
    """Bytes of all arrays."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(arrays))


def tree_digest(arrays: Any) -> str:
    """The digest of all arrays, to detect a changed bit."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(arrays)
    return arrays_digest({jax.tree_util.keystr(path): leaf for path, leaf in leaves})

"""What training changed, kept beside a run's record so that the run can be exported."""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from research.errors import InputError
from research.methods.method import Leaves
from research.sweeps.ledger import write_atomically


def save_trained(folder: Path, id: str, leaves: Leaves) -> None:
    """Writes the trained leaves of the run `id` of a results folder, by their paths."""
    arrays = {path: np.ascontiguousarray(leaf) for path, leaf in leaves.items()}
    write_atomically(_file(folder, id), save(arrays))


def load_trained(folder: Path, id: str) -> Leaves:
    """The inverse; raises InputError if the run's leaves were not kept."""
    file = _file(folder, id)
    if not file.is_file():
        allowed = "its trained leaves were not kept; a sweep keeps them with config.keep_trained"
        raise InputError("run", id, allowed)
    try:
        return dict(load_file(file))
    except SafetensorError as error:
        raise InputError("run", id, f"{file} is damaged: {error}") from error


def _file(folder: Path, id: str) -> Path:
    return folder / "trained" / f"{id}.safetensors"

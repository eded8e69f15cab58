"""Trained leaves of runs, stored so that the runs can be exported and served."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from research.common.errors import InputError
from research.common.json_io import parse_json
from research.common.tokenizer import Tokenizer
from research.experiments.prompt import LAYOUT, PROMPT, Prompt
from research.runtime.array_file import save_arrays
from research.runtime.clock import spent_on
from research.tasks.encoding.row_format import RowFormat

if TYPE_CHECKING:
    from research.experiments.plan import Run
    from research.methods.method import Leaves

# Fields of a prompt that further rows are served with, unless a value is "nearest".
SERVED = (
    *("template", "demonstrations", "choice", "draw", "normalisation", "target_end"),
    *LAYOUT,
)


@spent_on("storing")
def save_trained(
    folder: Path, id: str, leaves: "Leaves", row_format: RowFormat | str | None = None
) -> str:
    """Writes the trained leaves of run `id` to a results folder. Returns the file's sha256.

    row_format: how the run's rows are encoded and scored, or why further rows cannot be.
    """
    arrays = {path: np.ascontiguousarray(leaf) for path, leaf in leaves.items()}
    metadata = None
    if isinstance(row_format, str):
        metadata = {"unserved": row_format}
    elif row_format is not None:
        metadata = {"row_format": json.dumps(row_format.to_json())}
    file = _file(folder, id)
    save_arrays(file, arrays, metadata)
    return _digest(file)


def unserved(run: "Run") -> str | None:
    """Why further rows cannot be answered as a run answers its own; None if they can."""
    if not run.cell.task.labels:
        if run.cell.task.is_scored:
            return "its answers are choices of each item, which are not served"
        return "its answers are no labels"
    defaults = Prompt()
    for name in PROMPT:
        value = getattr(run.approach, name)
        served = name in SERVED and value != "nearest"
        if not served and value != getattr(defaults, name):
            return f"its prompts have the setting {name} = {value!r}, which is not served"
    return None


def is_kept(folder: Path, id: str) -> bool:
    """Whether a run's trained leaves are stored."""
    return _file(folder, id).is_file()


def load_trained(folder: Path, id: str, digest: str | None = None) -> "Leaves":
    """The stored leaves of a run.

    Raises InputError if they are not stored, if the file's sha256 is not `digest`,
    and for leaves with numbers that are not finite.
    """
    file = _present(folder, id)
    try:
        if digest not in (None, _digest(file)):
            raise InputError("run", id, f"{file} is not the file it was")
        leaves = load_file(file)
    except SafetensorError as error:
        raise InputError("run", id, f"{file} is damaged: {error}") from error
    if wrong := [path for path, leaf in leaves.items() if not np.isfinite(leaf).all()]:
        allowed = f"{file} has numbers that are not finite in {', '.join(sorted(wrong)[:5])}"
        raise InputError("run", id, allowed)
    return {**leaves}


def load_row_format(folder: Path, id: str, tokenizer: Tokenizer) -> RowFormat:
    """How the rows of a run are encoded and scored.

    Raises InputError where the run's leaves were not kept, and for a run that cannot be served.
    """
    file = _present(folder, id)
    try:
        with safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
        if "row_format" in metadata:
            return RowFormat.from_json(parse_json(metadata["row_format"]), tokenizer, str(file))
    except (SafetensorError, ValueError) as error:
        raise InputError("run", id, f"{file} is damaged: {error}") from error
    reason = metadata.get("unserved", "the wording of its rows is not stored")
    allowed = f"{reason}; with a template and a verbalizer it answers without the run's wording"
    raise InputError("run", id, allowed)


def _present(folder: Path, id: str) -> Path:
    file = _file(folder, id)
    if not file.is_file():
        allowed = "its trained leaves were not kept; a sweep keeps them with --keep_trained"
        raise InputError("run", id, allowed)
    return file


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _file(folder: Path, id: str) -> Path:
    return folder / "trained" / f"{id}.safetensors"

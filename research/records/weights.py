"""Trained leaves of tested runs, stored so that the runs can be exported and served."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from research.common.config import build, resolved
from research.common.errors import InputError
from research.common.files import write_atomically
from research.common.hashing import sha256
from research.common.json_io import parse_json
from research.experiments.prompt import Prompt
from research.tasks.encoding.wording import Wording

if TYPE_CHECKING:
    from research.experiments.plan import Run
    from research.methods.method import Leaves


def save_trained(folder: Path, id: str, leaves: "Leaves", wording: Wording | None = None) -> str:
    """Writes the trained leaves of run `id` to a results folder. Returns the file's sha256."""
    arrays = {path: np.ascontiguousarray(leaf) for path, leaf in leaves.items()}
    metadata = None if wording is None else {"wording": json.dumps(resolved(wording))}
    content = save(arrays, metadata=metadata)
    write_atomically(_file(folder, id), content)
    return sha256(content)


def wording_of(run: "Run") -> Wording | None:
    """The wording of a run's rows: template and label texts.

    None if rows need more than that: demonstrations, content-free prompts, an ensemble, or a text
    as the answer.
    """
    task, approach = run.cell.task, run.approach
    plain = Prompt(
        template=approach.template, draw=approach.draw, normalisation=approach.normalisation
    )
    if not task.labels or plain.prompt != approach.prompt:
        return None
    texts = {label: task.verbalizer.all(label) for label in task.labels}
    template, end = task.templates[approach.template].text, task.verbalizer.end
    return Wording(template, texts, end, approach.normalisation, run.cell.experiment.bos)


def is_kept(folder: Path, id: str) -> bool:
    """Whether a run's trained leaves are stored."""
    return _file(folder, id).is_file()


def load_trained(folder: Path, id: str, digest: str | None = None) -> "Leaves":
    """The stored leaves of a run.

    Raises InputError if they are not stored, and if the file's sha256 is not `digest`.
    """
    file = _present(folder, id)
    try:
        with file.open("rb") as opened:
            digest_of_file = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest not in (None, digest_of_file):
            raise InputError("run", id, f"{file} is not the file it was")
        return dict(load_file(file))
    except SafetensorError as error:
        raise InputError("run", id, f"{file} is damaged: {error}") from error


def load_wording(folder: Path, id: str) -> Wording | None:
    """The wording of a run, if it is stored. Raises InputError if its leaves are not stored."""
    file = _present(folder, id)
    try:
        with safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            return build(Wording, parse_json(metadata["wording"]), str(file)) if metadata else None
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError("run", id, f"{file} is damaged: {error}") from error


def _present(folder: Path, id: str) -> Path:
    file = _file(folder, id)
    if not file.is_file():
        allowed = "its trained leaves were not kept; a sweep keeps them with --keep_trained"
        raise InputError("run", id, allowed)
    return file


def _file(folder: Path, id: str) -> Path:
    return folder / "trained" / f"{id}.safetensors"

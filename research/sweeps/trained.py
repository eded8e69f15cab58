"""What training changed, kept beside a run's record so that the run can be exported and served."""

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from research.errors import InputError
from research.methods.method import Leaves
from research.settings import build, resolved
from research.sweeps.ledger import write_atomically
from research.sweeps.plan import Run
from research.tasks.wording import Wording


def save_trained(folder: Path, run: Run, leaves: Leaves) -> None:
    """Writes the trained leaves of a run of a results folder, by their paths, and its wording;
    without that where demonstrations stand before the rows, which are not kept.
    """
    arrays = {path: np.ascontiguousarray(leaf) for path, leaf in leaves.items()}
    metadata = None
    task, labels = run.cell.task, run.cell.task.labels
    if labels and not run.approach.demonstrations:
        texts = {label: task.verbalizer.texts[label] for label in labels}
        template = task.templates[run.approach.template].text
        wording = Wording(template, texts, task.verbalizer.end)
        metadata = {"wording": json.dumps(resolved(wording))}
    write_atomically(_file(folder, run.id), save(arrays, metadata=metadata))


def load_trained(folder: Path, id: str) -> Leaves:
    """The leaves of a run; raises InputError if they were not kept."""
    file = _present(folder, id)
    try:
        return dict(load_file(file))
    except SafetensorError as error:
        raise InputError("run", id, f"{file} is damaged: {error}") from error


def load_wording(folder: Path, id: str) -> Wording | None:
    """The wording of a run, if it was kept; raises InputError if not even its leaves were."""
    file = _present(folder, id)
    try:
        with safe_open(file, framework="numpy") as opened:
            metadata = opened.metadata() or {}
            return build(Wording, json.loads(metadata["wording"]), str(file)) if metadata else None
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError("run", id, f"{file} is damaged: {error}") from error


def _present(folder: Path, id: str) -> Path:
    file = _file(folder, id)
    if not file.is_file():
        allowed = "its trained leaves were not kept; a sweep keeps them with config.keep_trained"
        raise InputError("run", id, allowed)
    return file


def _file(folder: Path, id: str) -> Path:
    return folder / "trained" / f"{id}.safetensors"

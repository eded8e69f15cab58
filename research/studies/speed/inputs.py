"""Writes the inputs of a case; their files are described in `case_files`."""

import functools
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.common.config import non_default
from research.interop.peft import save_adapter
from research.methods.method import Method, Words
from research.methods.shared.leaves import add, mask
from research.models.backbone import load_backbone, random_params, save_backbone
from research.models.model import Model
from research.studies.speed.case_files import Batches, Trained, write_trained
from research.studies.speed.shapes import SHAPES

BATCHES = 4  # of random tokens
_STORING = threading.Lock()  # so that no model is written twice


def random_batches(
    vocabulary: int,
    rows: int,
    width: int,
    targets: int,
    opening: int = 0,
    labels: int = 0,
) -> Batches:
    """Batches of random tokens without padding; the last `targets` tokens of a row are its target.

    labels: number of label texts; each has `targets` tokens, and no two share a token.
    """
    draw = np.random.default_rng(0)
    sizes = np.full((BATCHES, rows), width, np.int32)
    texts = draw.permutation(vocabulary)[: labels * targets].reshape(labels, targets)
    return Batches(
        draw.integers(10, vocabulary, (BATCHES, rows, width), np.int32),
        sizes,
        sizes - targets,
        np.zeros_like(sizes),
        draw.integers(10, vocabulary, opening).astype(np.int32),
        np.zeros(0, np.int32),
        texts.astype(np.int32),
    )


def write_shape(folder: Path, shape: str | Model) -> int:
    """Writes a model with random weights; returns its vocabulary size.

    shape: a name in `SHAPES`, or the model.
    """
    # Pyright takes modules to be unhashable.
    model: Any = SHAPES[shape]() if isinstance(shape, str) else shape
    with _STORING:
        stored = _stored(model)
    (folder / "model").symlink_to(Path(stored.name) / "model")
    return model.config.vocab_size


@functools.lru_cache
def _stored(model: Any) -> tempfile.TemporaryDirectory:
    """A folder with the model and random weights, shared by cases until this process ends."""
    folder = tempfile.TemporaryDirectory()
    save_backbone(Path(folder.name) / "model", model, random_params(model, jax.random.key(0)))
    return folder


def write_adapters(folder: Path, methods: Sequence[Sequence[Method]], classes: int = 0) -> None:
    """Writes untrained adapters of the model in `folder`; soft prompts start from a few words."""
    backbone = load_backbone(str(folder / "model"))
    names = tuple(str(i) for i in range(max(classes, 1)))
    words = Words(names, lambda text: [10 + int(text)])
    for index, together in enumerate(methods):
        leaves: dict[str, Any] = {}
        for method in together:
            leaves |= add(method, jax.random.key(index), backbone.params, words)
        moved = {path: jnp.asarray(leaf) for path, leaf in leaves.items()}
        target = folder / "adapters" / str(index)
        target.parent.mkdir(exist_ok=True)
        save_adapter(target, "model", backbone.model, together, moved)


def write_methods(folder: Path, methods: Sequence[Method], classes: int = 0) -> None:
    """Writes what trains: an adapter if PEFT has one for the methods, else trained.json."""
    if any(method.peft_type for method in methods):
        write_adapters(folder, [methods], classes)
        return
    backbone = load_backbone(str(folder / "model"))
    key, trained = backbone.model.KEY_MAP.key, mask(methods, backbone.params)
    plain = [{"name": method.name, **non_default(method)} for method in methods]
    tensors = [key(path).tensor for path, trains in trained.items() if trains]
    write_trained(folder, Trained(plain, tensors))

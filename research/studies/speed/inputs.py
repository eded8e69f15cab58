"""What both sides of a case work on, in one folder: a model, perhaps adapters, and batches.

model/        a Hugging Face folder
adapters/I/   folders of PEFT
batches.npz   the batches, see `Batches`
factors.npz   or nothing but two matrices
"""

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from research.interop.peft import save_adapter
from research.methods.method import Method, Words, add
from research.models.backbone import load_backbone, random_params, save_backbone
from research.studies.speed.shapes import SHAPES

BATCHES = 4  # of drawn tokens


class Batches(NamedTuple):
    """N batches of B rows and what else a case asks about.

    tokens: [N, B, T], padded with 0 on the right; length, start: [N, B], so that a row's target is
    `tokens[start:length]`; label: [N, B], its class. opening: [S] tokens before each row, the same
    for all; closing: [E] tokens after each. labels: [C, L] texts to score in place of the target.
    """

    tokens: NDArray
    length: NDArray
    prompt_length: NDArray
    label: NDArray
    prefix_ids: NDArray
    suffix_ids: NDArray
    labels: NDArray


def random_batches(
    vocabulary: int,
    rows: int,
    width: int,
    targets: int,
    opening: int = 0,
    labels: int = 0,
) -> Batches:
    """Batches of random tokens, all rows full, the last `targets` tokens of each to be predicted.

    labels: of `targets` tokens each, which no two share.
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


def write_batches(folder: Path, batches: Batches) -> None:
    np.savez(folder / "batches.npz", **batches._asdict())


def read_batches(folder: Path) -> Batches:
    with np.load(folder / "batches.npz") as stored:
        return Batches(**{name: stored[name] for name in Batches._fields})


def write_factors(folder: Path, rows: int, inner: int, columns: int) -> None:
    """Two matrices of uniform numbers, [rows, inner] and [inner, columns]."""
    draw = np.random.default_rng(0)
    left, right = draw.random((rows, inner), np.float32), draw.random((inner, columns), np.float32)
    np.savez(folder / "factors.npz", left=left, right=right)


def read_factors(folder: Path) -> tuple[NDArray, NDArray]:
    with np.load(folder / "factors.npz") as file:
        return file["left"], file["right"]


def write_shape(folder: Path, shape: str) -> int:
    """A model of the named shape with drawn weights; returns its vocabulary."""
    model: Any = SHAPES[shape]()  # Pyright holds modules for unhashable
    (folder / "model").symlink_to(Path(_stored(model).name) / "model")
    return model.config.vocab_size


@functools.lru_cache
def _stored(model: Any) -> tempfile.TemporaryDirectory:
    """Where a model lies with drawn weights until this process ends: cases share it."""
    folder = tempfile.TemporaryDirectory()
    save_backbone(Path(folder.name) / "model", model, random_params(model, jax.random.key(0)))
    return folder


def write_adapters(folder: Path, methods: Sequence[Sequence[Method]], classes: int = 0) -> None:
    """Adapters of the model in `folder`, as they start; a soft prompt starts from a few words."""
    backbone = load_backbone(str(folder / "model"))
    names = tuple(str(i) for i in range(max(classes, 1)))
    words = Words(names, lambda text: [10 + int(text)])
    for place, together in enumerate(methods):
        leaves: dict[str, Any] = {}
        for method in together:
            leaves |= add(method, jax.random.key(place), backbone.params, words)
        moved = {path: jnp.asarray(leaf) for path, leaf in leaves.items()}
        target = folder / "adapters" / str(place)
        target.parent.mkdir(exist_ok=True)
        save_adapter(target, "model", backbone.model, together, moved)


def adapter_folders(folder: Path) -> list[Path]:
    """The adapters of a case, in their order."""
    return sorted((folder / "adapters").glob("*"), key=lambda path: int(path.name))

"""The inputs of a case, which both sides read from one folder.

model/        a Hugging Face folder
adapters/I/   PEFT folders; absent where all weights train
batches.npz   see `Batches`
factors.npz   two matrices; the only file of a matrix product case
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
from research.methods.method import Method, Words
from research.methods.shared.leaves import add
from research.models.backbone import load_backbone, random_params, save_backbone
from research.studies.speed.shapes import SHAPES

BATCHES = 4  # of random tokens


class Batches(NamedTuple):
    """N batches of B rows; the target of a row is `tokens[prompt_length:length]`.

    Attributes:
        tokens: Token ids, [N, B, T], padded with 0 on the right.
        length: Tokens of each row, [N, B].
        prompt_length: Tokens of each row before its target, [N, B].
        label: Class of each row, [N, B].
        prefix_ids: Tokens before every row, [S].
        suffix_ids: Tokens after every row, [E].
        labels: Texts to score in place of the target, [C, L].
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


def write_batches(folder: Path, batches: Batches) -> None:
    np.savez(folder / "batches.npz", **batches._asdict())


def read_batches(folder: Path) -> Batches:
    with np.load(folder / "batches.npz") as stored:
        return Batches(**{name: stored[name] for name in Batches._fields})


def write_factors(folder: Path, rows: int, inner: int, columns: int) -> None:
    """Writes two matrices of uniform random numbers, [rows, inner] and [inner, columns]."""
    draw = np.random.default_rng(0)
    left, right = draw.random((rows, inner), np.float32), draw.random((inner, columns), np.float32)
    np.savez(folder / "factors.npz", left=left, right=right)


def read_factors(folder: Path) -> tuple[NDArray, NDArray]:
    with np.load(folder / "factors.npz") as file:
        return file["left"], file["right"]


def write_shape(folder: Path, shape: str) -> int:
    """Writes a model of the named shape with random weights; returns its vocabulary size."""
    model: Any = SHAPES[shape]()  # Pyright takes modules to be unhashable
    (folder / "model").symlink_to(Path(_stored(model).name) / "model")
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


def adapter_folders(folder: Path) -> list[Path]:
    """The adapter folders of a case in order of their index."""
    return sorted((folder / "adapters").glob("*"), key=lambda path: int(path.name))

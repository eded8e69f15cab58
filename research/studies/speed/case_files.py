"""The files of a case, which both sides read; PyTorch's side must not import JAX for it.

model/        a Hugging Face folder
adapters/I/   PEFT folders; absent where none is needed
trained.json  see `Trained`; without it and without adapters, all weights train
batches.npz   see `Batches`
factors.npz   two matrices; the only file of a matrix product case
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


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


class Trained(NamedTuple):
    """The trained weights where no adapter is added.

    Attributes:
        methods: The methods of our side as plain data.
        tensors: Names of the tensors that train, as in the checkpoint.
    """

    methods: list[dict[str, Any]]
    tensors: list[str]


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


def write_trained(folder: Path, trained: Trained) -> None:
    (folder / "trained.json").write_text(json.dumps(trained._asdict()), encoding="utf-8")


def read_trained(folder: Path) -> Trained | None:
    """The content of trained.json; None without the file."""
    file = folder / "trained.json"
    return Trained(**json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def adapter_folders(folder: Path) -> list[Path]:
    """The adapter folders of a case in order of their index."""
    return sorted((folder / "adapters").glob("*"), key=lambda path: int(path.name))

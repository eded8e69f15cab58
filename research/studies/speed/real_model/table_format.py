"""The files of the table race, which PyTorch's side reads without JAX.

model/         a Hugging Face folder
approaches/I/  adapter or trained.json of an approach, as in a case
table.json     see `TableInputs`
table.npz      arrays of its splits
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class EncodedSplit(NamedTuple):
    """Encoded examples.

    Attributes:
        tokens: Ids of prompt and target, [I, T], padded with 0 on the right.
        length: Tokens of prompt and target, [I].
        prompt_length: Tokens of the prompt, [I].
        label: Class, [I].
    """

    tokens: NDArray
    length: NDArray
    prompt_length: NDArray
    label: NDArray


class SeedData(NamedTuple):
    """The data of the runs of one seed.

    Attributes:
        train: The training examples.
        dev: The dev examples.
        batches: Indices of the training examples of each step, [S, B].
    """

    train: EncodedSplit
    dev: EncodedSplit
    batches: NDArray


class TableInputs(NamedTuple):
    """The inputs of the plain loop.

    Attributes:
        rates: Learning rates of each approach.
        prefix_ids: Tokens before every row, [S].
        labels: Tokens of each label, padded with 0 on the right, [C, L].
        label_lengths: Tokens of each label, [C].
        test: The test examples.
        seeds: The data of each seed.
    """

    rates: list[list[float]]
    prefix_ids: NDArray
    labels: NDArray
    label_lengths: NDArray
    test: EncodedSplit
    seeds: list[SeedData]


def write_table(folder: Path, inputs: TableInputs) -> None:
    arrays = {name: getattr(inputs, name) for name in ("prefix_ids", "labels", "label_lengths")}
    arrays |= named_arrays("test", inputs.test)
    for index, seed in enumerate(inputs.seeds):
        arrays |= named_arrays(f"train_{index}", seed.train)
        arrays |= named_arrays(f"dev_{index}", seed.dev)
        arrays[f"batches_{index}"] = seed.batches
    np.savez(folder / "table.npz", **arrays)
    content = {"rates": inputs.rates, "seeds": len(inputs.seeds)}
    (folder / "table.json").write_text(json.dumps(content), encoding="utf-8")


def read_table(folder: Path) -> TableInputs:
    content = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    with np.load(folder / "table.npz") as arrays:
        seeds = [
            SeedData(
                read_split(f"train_{index}", arrays),
                read_split(f"dev_{index}", arrays),
                arrays[f"batches_{index}"],
            )
            for index in range(content["seeds"])
        ]
        return TableInputs(
            content["rates"],
            arrays["prefix_ids"],
            arrays["labels"],
            arrays["label_lengths"],
            read_split("test", arrays),
            seeds,
        )


def named_arrays(name: str, split: EncodedSplit) -> dict[str, Any]:
    """The arrays of a split by their names in a file, which begin with `name`."""
    return {f"{name}_{field}": array for field, array in split._asdict().items()}


def read_split(name: str, arrays: Mapping[str, NDArray]) -> EncodedSplit:
    """The split whose arrays have names that begin with `name`."""
    return EncodedSplit(*(arrays[f"{name}_{field}"] for field in EncodedSplit._fields))

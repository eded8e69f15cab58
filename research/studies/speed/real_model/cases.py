"""The cases of a real backbone and their targets."""

import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

from research.methods.full import Full
from research.methods.head import Head
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.method import Method
from research.methods.selected import Selected
from research.methods.soft_prompt import SoftPrompt
from research.models.backbone import load_model, shapes
from research.models.model import Model
from research.studies.speed.case import OURS, PEFT, Case, WholeProcessCase
from research.studies.speed.real_model.model_files import model_case
from research.studies.speed.real_model.table_files import write_table_inputs

LORA = LoRA(rank=8, alpha=16.0)
LORA_EVERYWHERE = LoRA(rank=8, alpha=16.0, targets=(r"(.*/)?layers_\d+/.*",))
MEMORY_AT_MOST = 1.1
COMPILE_AT_MOST = 30.0  # seconds, of LoRA
LEARNING_RATE = 1e-6  # so small that rounding does not separate the losses
ABOVE_LAYERS = r"(|decoder/)(final_norm|head)/.*"


class Row(NamedTuple):
    """A case apart from its backbone.

    Attributes:
        name: Method and size.
        at_least: Target for the speed ratio of a decoder.
        methods: What trains.
        rows: Rows per batch.
        width: Tokens per row.
        targets: Predicted tokens at the end of each row of a decoder.
        loop: Whether steps run in the training loop, which keeps the states that all steps share.
        scan: Whether layers run as a scan, against our own unrolled ones.
    """

    name: str
    at_least: float | None
    methods: tuple[Method, ...]
    rows: int = 8
    width: int = 64
    targets: int = 1
    loop: bool = False
    scan: bool = False


ROWS = (
    Row("LoRA r=8, 8 x 64", 1.4, (LORA,)),
    Row("LoRA r=8 on all matrices, 8 x 64", 1.4, (LORA_EVERYWHERE,)),
    Row("LoRA r=8, 16 x 128, loss on all tokens", 1.3, (LORA,), 16, 128, 127),
    Row("soft prompt 20, 8 x 64", 1.6, (SoftPrompt(length=20),)),
    Row("soft prompt 100, 8 x 32", 3.6, (SoftPrompt(length=100),), 8, 32),
    Row("full, 8 x 64", 1.3, (Full(),)),
    Row("last 2 layers, 8 x 64", 5.0, (LastLayers(last=2),), loop=True),
    Row("LoRA r=8, 8 x 64, layers as a scan, against unrolled", None, (LORA,), scan=True),
)


def label(name: str) -> str:
    """The name of a backbone in the table: that of its folder or of its hub repository."""
    return Path(name).resolve().name


def model_cases(folder: str, title: str) -> list[Case]:
    """The cases of the backbone in a folder; only decoders have targets and a loss on all tokens.

    Raises InputError if its configuration cannot be loaded.
    """
    model = load_model(folder)
    causal = model.ROUTE == "causal"
    rows = [row for row in (*ROWS, _head_row(model)) if causal or row.targets == 1]
    rows = [row for row in rows if not row.scan or max(model.depths) > 1]
    return [_case(row, folder, title, causal) for row in rows]


def _case(row: Row, folder: str, title: str, causal: bool) -> Case:
    lora = any(isinstance(method, LoRA) for method in row.methods)
    settings = dict(name=folder, methods=row.methods, rows=row.rows, width=row.width)
    return Case(
        f"{title}, {row.name}",
        row.at_least if causal else None,
        partial(model_case, **settings, targets=row.targets),
        "train by scan" if row.scan else "train in the loop" if row.loop else "train",
        (OURS if row.scan else PEFT, "train"),
        learning_rate=LEARNING_RATE,
        memory_at_most=MEMORY_AT_MOST if causal and not row.scan else None,
        compile_at_most=COMPILE_AT_MOST if causal and lora and not row.scan else None,
    )


def table_case(folder: str, title: str) -> WholeProcessCase | None:
    """The sweep of a whole table on a decoder against a plain PEFT loop; None for other models."""
    if load_model(folder).ROUTE != "causal":
        return None
    return WholeProcessCase(
        f"{title}, table of SST-2 in 16 runs, whole process",
        2.5,
        "table",
        partial(write_table_inputs, name=folder),
        "table",
        (f"--config.backbone={folder}", "--config.task.test={inputs}/test.tsv"),
    )


def _head_row(model: Model) -> Row:
    """Only weights above the layers train: a classification head, or the final norm and its head.

    An output head that is tied to the embeddings does not train.
    """
    if model.ROUTE == "masked":
        return Row("head alone, 8 x 64", 20.0, (Head(),), loop=True)
    paths = tuple(path for path in shapes(model) if re.fullmatch(ABOVE_LAYERS, path))
    heads = any("head/" in path for path in paths)
    name = "head alone" if heads else "final norm alone"
    return Row(f"{name}, 8 x 64", 20.0, (Selected(leaves=paths),), loop=True)

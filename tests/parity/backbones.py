"""Which backbones are compared with which methods, and how encoders get a head."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from research.models.backbone import Backbone, load_backbone, save_backbone, shapes
from research.models.bert.model import EncoderModel
from research.models.llama.model import Decoder
from research.models.model import Model

# Of every family; other variants differ in what no method sees.
VARIANTS = [
    "llama, grouped keys",
    "llama, llama3 frequencies",
    "mistral",
    "qwen2",
    "qwen3, grouped keys, tied",
    "olmo2",
    "smollm3",
    "granite",
    "phi3",
    "gemma2",
    "gemma3",
    "gpt_neox",
    "gpt2",
    "t5",
    "t5 1.1",
    "bert",
    "roberta",
]
ENCODERS = ["bert", "roberta"]
DECODERS = ["reviews-lm", "stories260K", "tinystories-656k"]  # real ones
REAL_ENCODERS = ["all-MiniLM-L6-v2"]
CLASSES = 2


def cases(kinds: Sequence[str], real: Sequence[str]) -> list[tuple[str, str]]:
    """(backbone, kind of method), `real` being the kinds for real checkpoints.

    Encoders classify, and the tiny ones predict masked tokens as well.
    """
    tokens = [(name, kind) for name in VARIANTS for kind in kinds]
    tokens += [(name, kind) for name in DECODERS for kind in real]
    classes = [(name, f"{kind}, head") for name in ENCODERS for kind in kinds]
    classes += [(name, f"{kind}, head") for name in REAL_ENCODERS for kind in real]
    return tokens + classes


def rotates(model: Model, path: str) -> bool:
    """Whether the layer of a leaf has rotary positions."""
    layer = int(path.partition("layers_")[2].partition("/")[0])
    return isinstance(model, Decoder) and model.config.rope_of(layer) is not None


def family(backbone: Backbone) -> str:
    """What a config.json calls the type of the model."""
    return backbone.model.config.to_hf()["model_type"]


def spread(backbone: Backbone) -> float:
    """Deviation of an adapter's random values, smaller the wider the layers that sum them."""
    return 1.5 / math.sqrt(backbone.params["embed/embedding"].shape[1])


def with_head(backbone: Backbone, folder: Path) -> Backbone:
    """The encoder as a checkpoint that classifies, written to `folder`.

    What it lacks for that is drawn: the head, and the pooler of a BERT that predicts tokens.
    """
    model = backbone.model
    assert isinstance(model, EncoderModel)
    config = replace(model.config, masked_lm=False, pooler=model.config.family == "bert")
    model = type(model)(config).with_classes(CLASSES)
    draw, params = np.random.default_rng(0), {}
    for path, shape in {**shapes(model), **model.head_shapes()}.items():
        own = backbone.params.get(path)
        params[path] = draw.normal(0, 0.3, shape).astype(np.float32) if own is None else own
    save_backbone(folder, model, params)
    return load_backbone(str(folder))

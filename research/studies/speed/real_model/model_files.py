"""Writes a real backbone and random rows as the inputs of a case."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from research.methods.head import Head
from research.methods.method import Method
from research.models.backbone import Backbone, load_backbone, load_model, save_backbone, shapes
from research.models.bert.model import EncoderModel
from research.models.checkpoint.folder import find_folder
from research.studies.speed.case_files import Batches, write_batches
from research.studies.speed.inputs import random_batches, write_methods

CLASSES = 2  # of an encoder's head
BEFORE, AFTER = 8, 9  # ids around the rows of an encoder
SEQ2SEQ_TARGETS = 4  # tokens
HEAD_DEVIATION = 0.02  # of new weights, as in BERT


def model_case(
    folder: Path, name: str, methods: Sequence[Method], rows: int, width: int, targets: int
) -> None:
    """Writes the inputs of a case on a real backbone.

    Args:
        folder: Where the files are written.
        name: Folder or Hugging Face id of the backbone.
        methods: What trains; an encoder's head trains beside them.
        rows: Rows per batch.
        width: Tokens per row; of its input if the model is seq2seq.
        targets: Predicted tokens at the end of each row of a decoder.
    """
    link_model(folder, name)
    route, vocabulary = _route(folder), load_model(str(folder / "model")).config.vocab_size
    if route == "masked":
        write_batches(folder, _labelled_batches(vocabulary, rows, width))
        methods = [*(method for method in methods if not method.is_head), Head()]
        write_methods(folder, methods, CLASSES)
        return
    if route == "seq2seq":
        width, targets = width + SEQ2SEQ_TARGETS, SEQ2SEQ_TARGETS
    write_batches(folder, random_batches(vocabulary, rows, width, targets))
    write_methods(folder, methods)


def link_model(folder: Path, name: str) -> None:
    """Makes `folder/model` the backbone; an encoder without a classification head gets a new one.

    Raises InputError for a backbone that cannot be loaded.
    """
    model = load_model(name)
    if isinstance(model, EncoderModel) and not model.head_shapes():
        _save_with_head(load_backbone(name), folder / "model")
    else:
        (folder / "model").symlink_to(find_folder(name).resolve())


def _route(folder: Path) -> str:
    return load_model(str(folder / "model")).ROUTE


def _labelled_batches(vocabulary: int, rows: int, width: int) -> Batches:
    """Batches of random rows, each with one id before and after it and a random class.

    Both ids are in no row, where the second would start another segment.
    """
    batches = random_batches(vocabulary, rows, width - 2, targets=0)
    draw = np.random.default_rng(1)
    labels = draw.integers(0, CLASSES, batches.label.shape).astype(np.int32)
    before, after = np.array([BEFORE], np.int32), np.array([AFTER], np.int32)
    return batches._replace(label=labels, prefix_ids=before, suffix_ids=after)


def _save_with_head(backbone: Backbone, folder: Path) -> None:
    """Saves an encoder with a head, and the pooler below it that BERT's head has, if missing."""
    model = backbone.model
    assert isinstance(model, EncoderModel)
    config = replace(model.config, masked_lm=False, pooler=model.config.family == "bert")
    model = type(model)(config).with_classes(CLASSES)
    draw, params = np.random.default_rng(0), {}
    for path, shape in {**shapes(model), **model.head_shapes()}.items():
        leaf = backbone.params.get(path)
        new = draw.normal(0, HEAD_DEVIATION, shape).astype(np.float32)
        params[path] = new if leaf is None else leaf
    save_backbone(folder, model, params)

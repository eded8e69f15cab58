"""Pretraining of the embedded checkpoint: settings, and rows of a batch."""

from dataclasses import replace

import pytest

from research.common.errors import InputError
from research.studies.pretraining.batches import document_batches, exercise_batches
from research.studies.pretraining.settings import PretrainingSettings
from research.tasks.world.tokenizer import train_tokenizer

SETTINGS = PretrainingSettings(
    seed=0,
    steps=4,
    batch=4,
    length=64,
    short_length=32,
    exercise_length=48,
    short_share=0.65,
    learning_rate=3e-3,
    weight_decay=0.05,
    vocabulary=400,
    width=16,
    layers=1,
    heads=4,
    hidden=32,
)


@pytest.mark.parametrize(
    "name, value", [("steps", 0), ("short_length", 33), ("batch", 3), ("vocabulary", 299)]
)
def test_values_out_of_range_are_refused(name: str, value: int):
    with pytest.raises(InputError, match=f"^{name} is {value}: "):
        replace(SETTINGS, **{name: value})


@pytest.mark.thorough
def test_batches_have_as_many_tokens():
    """Short rows of documents, rows of documents, and rows of exercises."""
    tokenizer = train_tokenizer(0, SETTINGS.vocabulary, SETTINGS.length)
    stream = document_batches(SETTINGS, tokenizer, "train", short=1)
    shapes = [next(stream).tokens.shape for _ in range(3)]
    assert shapes == [(8, 32), (4, 64), (4, 64)]
    assert next(exercise_batches(SETTINGS, tokenizer)).tokens.shape == (4 * 64 // 48, 48)

"""The trained weights of a model with PyTorch and PEFT."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from research.studies.speed.case_files import adapter_folders, read_trained
from research.studies.speed.sides.peft_inputs import adapted, train_alone


@contextmanager
def prepared(model: Any, folder: Path) -> Iterator[Any]:
    """The model with the trainable weights of an approach; afterwards it has no adapter."""
    folders, trained = adapter_folders(folder), read_trained(folder)
    if folders:
        peft_model = adapted(model, folders[0])
        yield peft_model
        if not peft_model.active_peft_config.is_prompt_learning:
            peft_model.unload()
        return
    assert trained is not None
    train_alone(model, trained.tensors)
    yield model


def copies(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


def restore(parameters: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    for name, parameter in parameters.items():
        parameter.data.copy_(values[name])

"""Every registered task satisfies `TaskSettings`."""

from dataclasses import fields, is_dataclass

import pytest

from research.tasks import TASKS
from research.tasks.task_settings import TaskSettings


@pytest.mark.parametrize("source", TASKS)
def test_satisfies_the_protocol(source: str):
    settings = TASKS[source]
    assert TaskSettings in settings.__mro__ and is_dataclass(settings)
    assert "name" in {field.name for field in fields(settings)}
    assert settings.load is not TaskSettings.load

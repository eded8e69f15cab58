"""The tiny experiment of `tests.films`, and one finished sweep of it for all to share."""

from pathlib import Path
from typing import Any

import pytest

from tests.films import run, settings, write_inputs


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a backbone, train.csv and test.csv."""
    return write_inputs(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def config(tiny: Path) -> dict[str, Any]:
    """The plain data of the experiment, to be changed at will."""
    return settings(tiny)


@pytest.fixture(scope="session")
def swept(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of the experiment; to be copied, not changed."""
    return run(settings(tiny), tmp_path_factory.mktemp("swept"))

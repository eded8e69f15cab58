"""The tiny experiment of `tests.films`, and one finished sweep of it for all to share."""

from pathlib import Path
from typing import Any

import pytest

from tests.films import films, run, settings, write_backbone, write_csv


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a backbone, train.csv and test.csv."""
    folder = tmp_path_factory.mktemp("tiny")
    write_backbone(folder / "backbone")
    write_csv(folder / "train.csv", films(0, 40))
    write_csv(folder / "test.csv", films(40, 48))
    return folder


@pytest.fixture
def config(tiny: Path) -> dict[str, Any]:
    """The plain data of the experiment, to be changed at will."""
    return settings(tiny)


@pytest.fixture(scope="session")
def swept(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of the experiment; to be copied, not changed."""
    return run(settings(tiny), tmp_path_factory.mktemp("swept"))

"""Who may work in a results folder."""

from pathlib import Path

import pytest

from research.common.errors import InputError
from research.sweeps.folder_lock import folder_lock


def test_one_at_a_time(tmp_path: Path):
    folder = tmp_path / "a" / "b"
    refused = pytest.raises(InputError, match="results is .*b': another sweep is at work in it")
    with folder_lock(folder):
        with refused, folder_lock(folder):
            raise AssertionError("two have it")
        with folder_lock(tmp_path / "a" / "c"):
            pass
    with folder_lock(folder):
        pass


def test_a_folder_that_cannot_be_written_to(tmp_path: Path):
    (tmp_path / "file").write_text("")
    refused = pytest.raises(InputError, match="can be written to is expected .Not a directory")
    with refused, folder_lock(tmp_path / "file" / "results"):
        raise AssertionError("it can")

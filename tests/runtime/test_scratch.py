"""Temporary folders live as long as their process, and not much longer."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from research.runtime.scratch import ScratchFolder

CODE = """
import os, signal
from research.runtime.scratch import ScratchFolder
print(ScratchFolder().path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def folder_of_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def test_the_next_process_removes_the_folder_of_a_killed_one(tmp_path: Path):
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    abandoned = Path(done.stdout.strip())
    assert abandoned.is_dir() and abandoned.parent == tmp_path
    folder = ScratchFolder()
    assert not abandoned.exists() and folder.path.is_dir()
    folder.remove()
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_living_process_stays():
    first, second = ScratchFolder(), ScratchFolder()
    assert first.path.is_dir() and second.path.is_dir()
    first.remove()
    second.remove()


def test_folders_of_others_stay(tmp_path: Path):
    (tmp_path / "adaptlab-notes").mkdir()
    ScratchFolder().remove()
    assert (tmp_path / "adaptlab-notes").is_dir()

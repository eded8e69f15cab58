"""Temporary folders live as long as their process, and not much longer."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from research.runtime.scratch import LOCK, ScratchFolder

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


def test_no_other_process_sees_a_folder_before_its_lock_is_held(tmp_path: Path, monkeypatch):
    acquire, seen = FileLock.acquire, []

    def look_and_acquire(self, *arguments, **settings):
        seen.extend(tmp_path.glob("adaptlab-*"))
        return acquire(self, *arguments, **settings)

    monkeypatch.setattr(FileLock, "acquire", look_and_acquire)
    with ScratchFolder() as path:
        assert path.name.startswith("adaptlab-") and (path / LOCK).is_file()
        (path / "file").touch()
    assert not seen and not list(tmp_path.iterdir())

import json
import os
import subprocess

import jax
import pytest

from research.common.config import resolved
from research.records.configuration import GitState
from research.records.provenance import git_state, hardware, libraries, provenance


@pytest.fixture
def repository(tmp_path):
    """A repository with one committed package."""
    package = tmp_path / "research"
    package.mkdir()
    (package / "code.py").write_text("x = 1\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_a_clean_package_is_not_dirty_and_a_changed_one_is(repository):
    head = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(head, cwd=repository, capture_output=True, text=True).stdout.strip()
    package = repository / "research"
    assert git_state(package) == GitState(commit, dirty=False)
    (repository / "results.md").write_text("new")
    assert git_state(package) == GitState(commit, dirty=False)
    (package / "new.py").write_text("y = 2\n")
    assert git_state(package) == GitState(commit, dirty=True)
    (package / "new.py").unlink()
    (package / "code.py").write_text("x = 2\n")
    assert git_state(package) == GitState(commit, dirty=True)


def test_code_that_no_repository_tracks_has_no_state(repository, tmp_path_factory):
    assert git_state(tmp_path_factory.mktemp("outside")) is None
    (repository / "installed").mkdir()
    (repository / "installed" / "code.py").write_text("x = 1\n")
    assert git_state(repository / "installed") is None
    assert git_state(repository / "missing") is None


def test_no_git_is_no_state(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert git_state(repository / "research") is None


def test_versions_and_hardware_are_json():
    assert libraries()["jax"] == jax.__version__
    found = hardware()
    assert found.device_count == len(jax.devices()) and found.cores
    assert found.memory_bytes and found.memory_bytes > 2**20
    assert list(found.xla_flags) == os.environ["XLA_FLAGS"].split() != []
    assert json.loads(json.dumps(resolved(provenance()))).keys() == {"libraries", "git", "hardware"}

"""States on disk: shared by processes, and never used where they are damaged or of another text."""

import errno
from pathlib import Path

import numpy as np
import pytest

from research.evaluation.trunk import store as store_module
from research.evaluation.trunk.store import KeptState, StateStore

STATES = {key: KeptState((np.full((1, 2), i, np.float32),), 0.5) for i, key in enumerate("abc")}


def stored(folder: Path, most_bytes: int = 2**20) -> StateStore:
    store = StateStore(folder, most_bytes)
    with store.lock("some"):
        store.add(STATES)
    return store


def equal(found: dict[str, KeptState], keys: str) -> bool:
    return found.keys() == set(keys) and all(
        np.array_equal(found[key].values[0], STATES[key].values[0]) for key in keys
    )


def test_another_process_reads_the_files(tmp_path: Path):
    stored(tmp_path)
    found = StateStore(tmp_path, 2**20).get("abcd")
    assert equal(found, "abc")
    assert found["a"].seconds == 0.5


def test_states_that_memory_has_dropped_are_read_again(tmp_path: Path):
    store = stored(tmp_path, most_bytes=8)
    assert equal(store.get("a"), "a")
    assert equal(store.get("c"), "c")


def test_memory_has_a_bound():
    store = StateStore(None, 16)
    store.add(STATES)
    assert equal(store.get("abc"), "bc")


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_not_used(tmp_path: Path, capsys, damage: str):
    stored(tmp_path)
    [file] = tmp_path.glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes({"cut": content[:-5], "flipped": content, "empty": b""}[damage])
    store = StateStore(tmp_path, 2**20)
    assert store.get("abc") == {}
    assert store.get("abc") == {}
    [line] = capsys.readouterr().err.splitlines()
    assert "computed again" in line
    store.add(STATES)
    assert equal(StateStore(tmp_path, 2**20).get("abc"), "abc")


def test_a_full_disk_leaves_states_in_memory(tmp_path: Path, capsys, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module, "write_arrays", full)
    store = stored(tmp_path)
    assert equal(store.get("abc"), "abc")
    store.add(STATES)
    assert capsys.readouterr().err.splitlines() == [
        "hidden states are kept in memory alone (No space left on device)"
    ]


def test_two_processes_write_the_same_states(tmp_path: Path):
    stored(tmp_path)
    stored(tmp_path)
    assert equal(StateStore(tmp_path, 2**20).get("abc"), "abc")

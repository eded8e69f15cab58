"""What a checkpoint keeps, and what a killed save leaves."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.common.errors import InputError, StorageError
from research.training.checkpoint import Checkpoints

IDENTITY = {"runs": ["a", "b"], "backbone": "c"}
PROGRESS = {"step": 4, "members": [{"best": 0.1 + 0.2, "status": "running"}, {"best": None}]}


def tree(seed: int) -> dict:
    """Arrays of every kind that training keeps."""
    return {
        "states": [
            {
                "step": jnp.asarray(seed, jnp.int32),
                "key": jax.random.PRNGKey(seed),
                "trained": {"lora:layers_0/query/a": jnp.asarray([[0.1 * seed, jnp.nan, 1e-45]])},
            }
        ],
        "best": [{"lora:layers_0/query/a": np.full((1, 3), seed, np.float32)}],
    }


def test_what_was_saved_comes_back_bit_for_bit(tmp_path):
    assert Checkpoints(tmp_path / "run", IDENTITY).restore(tree(0)) is None
    Checkpoints(tmp_path / "run", IDENTITY).save(4, tree(7), PROGRESS)
    state, progress = Checkpoints(tmp_path / "run", IDENTITY).restore(tree(0))
    assert progress == PROGRESS
    assert jax.tree.structure(state) == jax.tree.structure(tree(7))
    for read, saved in zip(jax.tree.leaves(state), jax.tree.leaves(tree(7)), strict=True):
        assert read.dtype == saved.dtype
        np.testing.assert_array_equal(read, saved)


def test_only_the_newest_is_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    for step in (9, 10):
        checkpoints.save(step, tree(step), {"step": step})
    assert [folder.name for folder in tmp_path.iterdir()] == ["10"]
    state, progress = checkpoints.restore(tree(0))
    assert progress == {"step": 10}
    assert int(state["states"][0]["step"]) == 10


@pytest.mark.parametrize("written", ["half", "nothing"])
def test_a_save_killed_midway_leaves_the_one_before(tmp_path, written):
    """Orbax writes under another name until all is there."""
    checkpoints = Checkpoints(tmp_path, IDENTITY)
    checkpoints.save(4, tree(7), PROGRESS)
    torn = tmp_path / "6.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "4", torn)
    files = sorted(file for file in torn.rglob("*") if file.is_file())
    for file in files[::2] if written == "half" else files:
        file.unlink()

    again = Checkpoints(tmp_path, IDENTITY)
    state, progress = again.restore(tree(0))
    assert progress == PROGRESS
    np.testing.assert_array_equal(state["best"][0]["lora:layers_0/query/a"], np.full((1, 3), 7.0))
    again.save(6, tree(8), {"step": 6})
    assert [folder.name for folder in tmp_path.iterdir()] == ["6"]
    assert again.restore(tree(0))[1] == {"step": 6}


def test_of_another_cohort(tmp_path):
    Checkpoints(tmp_path, IDENTITY).save(4, tree(7), PROGRESS)
    other = Checkpoints(tmp_path, IDENTITY | {"runs": ["a", "d"]})
    with pytest.raises(InputError, match="checkpoint is .*: it was written by another cohort"):
        other.restore(tree(0))


def test_due_after_so_many_seconds(tmp_path):
    assert Checkpoints(tmp_path, IDENTITY, seconds=0.0).due()
    checkpoints = Checkpoints(tmp_path, IDENTITY, seconds=3600.0)
    assert not checkpoints.due()
    checkpoints.saved_at -= 3601.0
    assert checkpoints.due()
    checkpoints.save(1, tree(1), {})
    assert not checkpoints.due()


@pytest.mark.parametrize("damaged", ["_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt"])
def test_a_damaged_checkpoint_is_named(tmp_path, damaged):
    Checkpoints(tmp_path / "run", IDENTITY).save(4, tree(7), PROGRESS)
    for file in (tmp_path / "run").rglob(damaged):
        file.write_bytes(file.read_bytes()[:9])
    with pytest.raises(InputError, match="checkpoint is .*run': it is damaged; delete it"):
        Checkpoints(tmp_path / "run", IDENTITY).restore(tree(0))


def test_a_changed_bit_is_noticed(tmp_path):
    """Either nothing that is read changed, or the checkpoint is damaged: no other numbers."""
    checkpoints = Checkpoints(tmp_path / "run", IDENTITY)
    checkpoints.save(4, tree(7), PROGRESS)
    saved = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree(7))]
    draw, noticed = np.random.default_rng(0), 0
    for file in sorted(path for path in (tmp_path / "run").rglob("*") if path.is_file()):
        whole = file.read_bytes()
        for byte in draw.integers(0, len(whole), 4) if whole else ():
            changed = bytes([whole[byte] ^ 1 << int(draw.integers(8))])
            file.write_bytes(whole[:byte] + changed + whole[byte + 1 :])
            try:
                state, progress = checkpoints.restore(tree(0))
            except InputError as error:
                assert "delete it" in str(error) or "another cohort" in str(error)
                noticed += 1
            else:
                assert progress == PROGRESS
                assert [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)] == saved
        file.write_bytes(whole)
    assert noticed > 5


def test_progress_is_under_the_digest(tmp_path):
    Checkpoints(tmp_path / "run", IDENTITY).save(4, tree(7), PROGRESS)
    [file] = [
        f for f in (tmp_path / "run").rglob("*") if f.is_file() and b"running" in f.read_bytes()
    ]
    file.write_bytes(file.read_bytes().replace(b"0.30000000000000004", b"0.40000000000000004"))
    with pytest.raises(InputError, match="it is damaged; delete it"):
        Checkpoints(tmp_path / "run", IDENTITY).restore(tree(0))


def test_a_full_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=7))
    with pytest.raises(StorageError, match="run': it takes 0.0 MB, and its disk has 0.0 MB left"):
        Checkpoints(tmp_path / "run", IDENTITY).save(4, tree(7), PROGRESS)
    assert not list((tmp_path / "run").iterdir())


def test_an_error_of_writing_is_not_told_as_want_of_memory(tmp_path, monkeypatch):
    """Orbax's words where a disk fills while it writes."""
    words = (
        'RESOURCE_EXHAUSTED: Error writing "best.0.a/c/0/0" in OCDBT database: Failed writing: '
        '"/there/d/514210cd": Failed to write 3874816 bytes to file 30: No space left on device '
        "[os_error_code='28']"
    )

    def full(self):
        raise ValueError(words)

    monkeypatch.setattr(Checkpoints, "_checkpointer", full)
    with pytest.raises(StorageError, match="it cannot be written .No space left on device"):
        Checkpoints(tmp_path / "run", IDENTITY).save(4, tree(7), PROGRESS)

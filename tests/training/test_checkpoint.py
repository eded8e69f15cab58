"""What a checkpoint keeps, and what a killed save leaves."""

import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.common.errors import InputError, StorageError
from research.training import checkpoint
from research.training.checkpoint import PAUSE, SPEED, Checkpoints, Part

IDENTITY = {"runs": ["a", "b"], "backbone": "c"}
PROGRESS = {"step": 4, "members": [{"best": 0.1 + 0.2, "status": "running"}, {"best": None}]}


class Killed(BaseException):
    """Stands for whatever ends a process."""


def tree(seed: int) -> dict:
    """Arrays of every kind that training keeps, by part."""
    return {
        "best": [{"lora:layers_0/query/a": np.full((1, 3), seed, np.float32)}],
        "states": [
            {
                "step": jnp.asarray(seed, jnp.int32),
                "key": jax.random.PRNGKey(seed),
                "trained": {"lora:layers_0/query/a": jnp.asarray([[0.1 * seed, jnp.nan, 1e-45]])},
            }
        ],
    }


def parts(seed: int, best: int | None = None) -> dict[str, Part]:
    """The parts of `tree(seed)`, with the best leaves of another version."""
    best = seed if best is None else best
    return {
        "best": Part(best, tree(best)["best"]),
        "states": Part(seed, tree(seed)["states"]),
    }


def assert_equal(read, expected) -> None:
    """The same arrays, bit for bit."""
    assert jax.tree.structure(read) == jax.tree.structure(expected)
    for left, right in zip(jax.tree.leaves(read), jax.tree.leaves(expected), strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


@pytest.fixture(params=["beside training", "at once"])
def place(request, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether there is memory to save beside training."""
    free = 1 << 40 if request.param == "beside training" else None
    monkeypatch.setattr(checkpoint, "free_bytes", lambda: free)
    return request.param


def saved(folder, *steps: dict[str, Part]) -> Checkpoints:
    """Checkpoints of which these parts were saved, one after the other."""
    with Checkpoints(folder, IDENTITY) as checkpoints:
        for step in steps:
            checkpoints.save(step, PROGRESS)
    return checkpoints


def test_what_was_saved_comes_back_bit_for_bit(tmp_path, place):
    assert Checkpoints(tmp_path / "run", IDENTITY).restore(tree(0)) is None
    saved(tmp_path / "run", parts(7))
    state, progress = Checkpoints(tmp_path / "run", IDENTITY).restore(tree(0))
    assert progress == PROGRESS
    assert_equal(state, tree(7))


def test_only_the_newest_is_kept(tmp_path, place):
    checkpoints = saved(tmp_path, parts(9), parts(10))
    for name in ("best", "states"):
        assert [folder.name for folder in (tmp_path / name).iterdir()] == ["10"]
    assert_equal(checkpoints.restore(tree(0))[0], tree(10))


def test_a_part_that_has_not_changed_is_not_written_again(tmp_path, place, monkeypatch):
    written = []

    def write(folder, arrays):
        written.append((folder.parent.name, folder.name))
        return write_tree(folder, arrays)

    write_tree = checkpoint.write_tree
    monkeypatch.setattr(checkpoint, "write_tree", write)
    saved(tmp_path, parts(4, best=2), parts(6, best=2), parts(8))
    assert written[:3] == [("best", "2"), ("states", "4"), ("states", "6")]
    assert written[3:] == [("best", "8"), ("states", "8")]
    again = Checkpoints(tmp_path, IDENTITY)
    assert_equal(again.restore(tree(0))[0], tree(8))
    written.clear()
    again.save(parts(10, best=8), PROGRESS)
    again.wait()
    assert written == [("states", "10")]
    assert_equal(again.restore(tree(0))[0], {**tree(10), "best": tree(8)["best"]})


def test_a_part_may_be_absent(tmp_path, place):
    checkpoints = saved(tmp_path, {"states": parts(4)["states"]})
    assert_equal(checkpoints.restore(tree(0))[0], {"states": tree(4)["states"]})


@pytest.mark.parametrize(
    "function, calls",
    [("write_tree", 0), ("write_tree", 1), ("write_atomically", 0)],
    ids=["before", "between best and states", "before they are named"],
)
def test_a_kill_while_saving_leaves_the_checkpoint_before(
    tmp_path, place, function, calls, monkeypatch
):
    checkpoints, left = saved(tmp_path, parts(4)), [calls]
    original = getattr(checkpoint, function)

    def killed(*args):
        if not left[0]:
            raise Killed
        left[0] -= 1
        return original(*args)

    with monkeypatch.context() as patch, pytest.raises(Killed), checkpoints:
        patch.setattr(checkpoint, function, killed)
        checkpoints.save(parts(6), PROGRESS)
        checkpoints.wait()
    again = Checkpoints(tmp_path, IDENTITY)
    assert_equal(again.restore(tree(0))[0], tree(4))
    assert [folder.name for folder in tmp_path.glob("*/*")] == ["4", "4"]
    with again:
        again.save(parts(6), PROGRESS)
    assert_equal(again.restore(tree(0))[0], tree(6))


@pytest.mark.parametrize("written", ["half", "nothing"])
def test_files_of_a_killed_save_are_replaced(tmp_path, place, written):
    checkpoints = saved(tmp_path, parts(4))
    for name in ("6", "8.orbax-checkpoint-tmp"):
        torn = tmp_path / "states" / name
        shutil.copytree(tmp_path / "states" / "4", torn)
        files = sorted(file for file in torn.rglob("*") if file.is_file())
        for file in files[::2] if written == "half" else files:
            file.unlink()
    with checkpoints:
        checkpoints.save(parts(6), PROGRESS)
    assert [folder.name for folder in tmp_path.glob("*/*")] == ["6", "6"]
    assert_equal(Checkpoints(tmp_path, IDENTITY).restore(tree(0))[0], tree(6))


def test_training_goes_on_while_arrays_are_written(tmp_path, monkeypatch):
    """Steps that reuse the buffers of the saved arrays do not change what is written."""
    step = jax.jit(lambda tree: jax.tree.map(lambda x: x + 1, tree), donate_argnums=0)
    write_tree, trained = checkpoint.write_tree, threading.Event()

    def late(*args):
        assert trained.wait(60)
        write_tree(*args)

    monkeypatch.setattr(checkpoint, "free_bytes", lambda: 1 << 40)
    monkeypatch.setattr(checkpoint, "write_tree", late)
    state = jax.block_until_ready(step({"w": jnp.zeros((300, 1000))}))
    like = {"states": {"w": np.empty((300, 1000), np.float32)}}
    with Checkpoints(tmp_path, IDENTITY) as checkpoints:
        checkpoints.save({"states": Part(1, state)}, PROGRESS)
        assert not checkpoints.due()
        for _ in range(3):
            state = step(state)
        assert float(state["w"].max()) == 4.0
        trained.set()
    arrays, _ = checkpoints.restore(like)
    assert {*np.unique(arrays["states"]["w"])} == {1.0}


@pytest.mark.parametrize("call", ["due", "wait", "save", "exit"])
def test_an_error_beside_training_is_raised_by_the_next_call(tmp_path, call, monkeypatch):
    def full(*args):
        raise ValueError("Failed to write 7 bytes: No space left on device")

    monkeypatch.setattr(checkpoint, "free_bytes", lambda: 1 << 40)
    monkeypatch.setattr(checkpoint, "write_tree", full)
    with pytest.raises(StorageError, match="No space left"), Checkpoints(tmp_path, IDENTITY) as c:
        c.save(parts(4), PROGRESS)
        assert c._writing is not None
        c._writing.exception()
        if call == "save":
            c.save(parts(6), PROGRESS)
        elif call != "exit":
            getattr(c, call)()
    assert Checkpoints(tmp_path, IDENTITY).restore(tree(0)) is None


def test_an_error_of_training_comes_before_one_of_saving(tmp_path, monkeypatch):
    def full(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint, "free_bytes", lambda: 1 << 40)
    monkeypatch.setattr(checkpoint, "write_tree", full)
    with pytest.raises(Killed), Checkpoints(tmp_path, IDENTITY) as checkpoints:
        checkpoints.save(parts(4), PROGRESS)
        raise Killed


def test_of_another_cohort(tmp_path):
    saved(tmp_path, parts(7))
    other = Checkpoints(tmp_path, IDENTITY | {"runs": ["a", "d"]})
    with pytest.raises(InputError, match="checkpoint is .*: it was written by another cohort"):
        other.restore(tree(0))


def test_due_after_so_many_seconds(tmp_path):
    assert Checkpoints(tmp_path, IDENTITY, seconds=0.0).due()
    checkpoints = Checkpoints(tmp_path, IDENTITY, seconds=3600.0)
    assert not checkpoints.due()
    checkpoints.saved_at -= 3601.0
    assert checkpoints.due()
    checkpoints.save(parts(1), {})
    checkpoints.wait()
    assert not checkpoints.due()


def test_saving_takes_a_twentieth_of_the_time(tmp_path, place, monkeypatch):
    """The pause is 19 times as long as the last save, and at least `seconds`."""
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])

    def slow(*args):
        now[0] += 5.0  # for each of the two parts

    monkeypatch.setattr(checkpoint, "write_tree", slow)
    checkpoints = Checkpoints(tmp_path, IDENTITY, seconds=30.0)
    now[0] = 30.0
    assert checkpoints.due()
    checkpoints.save(parts(4), PROGRESS)
    checkpoints.wait()
    assert now[0] == 40.0
    now[0] = 40.0 + PAUSE * 10.0 - 1.0
    assert not checkpoints.due()
    now[0] += 1.0
    assert checkpoints.due()
    checkpoints.save(parts(6, best=4), PROGRESS)
    checkpoints.wait()
    assert checkpoints.took == 5.0


def test_the_first_save_is_expected_to_take_as_long_as_its_bytes(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    checkpoints = Checkpoints(tmp_path, IDENTITY, seconds=30.0)
    large = np.broadcast_to(np.float32(0), (int(10 * SPEED) // 4,))  # one number in memory
    checkpoints.restore({"states": large})
    now[0] = 10.0 * PAUSE - 1.0
    assert not checkpoints.due()
    now[0] = 10.0 * PAUSE
    assert checkpoints.due()


@pytest.mark.parametrize("damaged", ["_METADATA", "manifest.ocdbt", "checkpoint.json"])
def test_a_damaged_checkpoint_is_named(tmp_path, damaged):
    saved(tmp_path / "run", parts(7))
    for file in (tmp_path / "run").rglob(damaged):
        file.write_bytes(file.read_bytes()[:9])
    with pytest.raises(InputError, match="checkpoint is .*run': it is damaged; delete it"):
        Checkpoints(tmp_path / "run", IDENTITY).restore(tree(0))


def test_a_missing_part_is_damage(tmp_path):
    saved(tmp_path / "run", parts(7))
    shutil.rmtree(tmp_path / "run" / "best")
    with pytest.raises(InputError, match="it is damaged; delete it"):
        Checkpoints(tmp_path / "run", IDENTITY).restore(tree(0))


def test_a_changed_bit_is_noticed(tmp_path):
    """Either nothing that is read changed, or the checkpoint is damaged: no other numbers."""
    checkpoints = saved(tmp_path / "run", parts(7))
    expected = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree(7))]
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
                assert [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)] == expected
        file.write_bytes(whole)
    assert noticed > 5


def test_progress_is_under_the_checksum(tmp_path):
    saved(tmp_path / "run", parts(7))
    file = tmp_path / "run" / "checkpoint.json"
    file.write_bytes(file.read_bytes().replace(b"0.30000000000000004", b"0.40000000000000004"))
    with pytest.raises(InputError, match="it is damaged; delete it"):
        Checkpoints(tmp_path / "run", IDENTITY).restore(tree(0))


def test_a_full_disk_is_told_before_anything_is_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=7))
    with pytest.raises(StorageError, match="run': it takes 0.0 MB, and its disk has 0.0 MB left"):
        Checkpoints(tmp_path / "run", IDENTITY).save(parts(7), PROGRESS)
    assert not list((tmp_path / "run").iterdir())


def test_an_error_of_writing_is_not_told_as_want_of_memory(tmp_path, place, monkeypatch):
    """Orbax's words where a disk fills while it writes."""
    words = (
        'RESOURCE_EXHAUSTED: Error writing "best.0.a/c/0/0" in OCDBT database: Failed writing: '
        '"/there/d/514210cd": Failed to write 3874816 bytes to file 30: No space left on device '
        "[os_error_code='28']"
    )

    def full(*args):
        raise ValueError(words)

    monkeypatch.setattr(checkpoint, "write_tree", full)
    with pytest.raises(StorageError, match="it cannot be written .No space left on device"):
        saved(tmp_path / "run", parts(7))

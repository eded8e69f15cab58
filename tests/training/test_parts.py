"""Members in parts that fit in memory come out as they do all at once."""

import jax
import numpy as np
import pytest

from research.methods.shared.leaves import mask, split
from research.runtime.memory import peak_bytes
from research.training import fit as training_fit
from research.training import loop, parts
from research.training.checkpoint import Checkpoints
from research.training.cohort import cohort_on
from research.training.member import shapes_of
from research.training.parts import fitting, split_members
from tests.tiny import ANSWERER, ONE, fit_members
from tests.training.members import METHOD, PROGRAM, VMAP, Killed, member


@pytest.mark.parametrize(
    "members, most, devices, sizes",
    [
        (5, None, 1, [5]),
        (5, 5, 1, [5]),
        (5, 2, 1, [2, 2, 1]),
        (16, 1, 8, [8, 8]),
        (12, 1, 8, [8, 1, 1, 1, 1]),
        (12, 12, 8, [12]),
        (40, 2, 8, [16, 16, 8]),
    ],
)
def test_parts_have_members_enough_for_all_devices_or_few(members, most, devices, sizes):
    assert split_members(members, most, devices) == sizes


@pytest.fixture(scope="module")
def members():
    return [member(i, 0.004 * (1 + i)) for i in range(3)]


@pytest.fixture(scope="module")
def at_once(members):
    return fit_members(PROGRAM, members, VMAP)


def test_as_many_are_at_once_as_there_is_memory_for(members, at_once, monkeypatch):
    """By what XLA says of one, the leaves that all share counted once."""
    shapes = shapes_of(members, ANSWERER)
    taken = peak_bytes(at_once[0].progress.cost)
    frozen = split(members[0].leaves, mask((METHOD,), members[0].leaves))[1]
    shared = sum(leaf.nbytes for leaf in frozen.values())
    assert taken > shared > 0
    for count in (0.5, 1.5, 2.5, 7.5):
        room = (shared + count * (taken - shared)) / parts.USABLE_SHARE
        monkeypatch.setattr(parts, "device_memory", lambda room=room: int(room))
        assert fitting(PROGRAM, VMAP, members, shapes) == max(1, int(count))
        assert fitting(PROGRAM, ONE, members, shapes) is None
    monkeypatch.setattr(parts, "device_memory", lambda: None)
    assert fitting(PROGRAM, VMAP, members, shapes) is None


def test_parts_are_the_same_to_rounding_and_go_on_where_they_were_cut(
    members, at_once, monkeypatch, tmp_path
):
    """Cut in the second part, the last member; all are reported all the time."""
    sizes, told = [], []

    def started(program, devices, states, frozen):
        sizes.append(len(states))
        return cohort_on(program, devices, states, frozen)

    def cut_short(step, progress):
        told.append([one.steps for one in progress])
        if told[-1][2] == 4:
            raise Killed

    monkeypatch.setattr(training_fit, "fitting", lambda *settings: 2)
    monkeypatch.setattr(loop, "cohort_on", started)
    kept = Checkpoints(tmp_path, {"runs": ["three"]}, seconds=0)
    with pytest.raises(Killed):
        fit_members(PROGRAM, members, VMAP, checkpoints=kept, report=cut_short)
    assert told[0] == [1, 1, 0] and told[-1][2] == 4
    found = fit_members(PROGRAM, members, VMAP, checkpoints=kept)
    # Begun, then again, and each once more from its checkpoint.
    assert sizes == [2, 1, 2, 2, 1, 1]
    for one, other in zip(found, at_once, strict=True):
        assert one.progress.steps == other.progress.steps
        np.testing.assert_allclose(
            np.array(one.progress.history), np.array(other.progress.history), atol=1e-4
        )
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-4),
            one.trained,
            other.trained,
        )

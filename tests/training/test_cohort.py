"""A cohort's members equal their single runs, share one program, and do not talk to each other."""

from contextlib import nullcontext
from dataclasses import replace

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import prompt_frame
from research.methods.shared.leaves import mask, split
from research.runtime import executable
from research.runtime.devices import Devices
from research.training.cohort import OneByOne, Together, cohort_on
from research.training.member import Member
from research.training.optimizer import Schedule
from research.training.parallel import step_on
from research.training.step import Program, init_state
from tests.hlo import collectives
from tests.tiny import ONE, batch, decoder, fit_members
from tests.training.members import (
    METHOD,
    MODEL,
    PARAMS,
    PROGRAM,
    SCHEDULE,
    VMAP,
    assert_same_leaves,
    member,
    misled,
)

EIGHT = Devices(count=8, members="vmap")


def one_step(devices: Devices, members: list[Member]):
    """(cohort, losses [N]) after one step, each member on its own batch."""
    parts = [split(m.leaves, mask((METHOD,), m.leaves)) for m in members]
    states = [
        init_state(PROGRAM, jax.random.PRNGKey(m.seed), trained)
        for m, (trained, _) in zip(members, parts, strict=True)
    ]
    cohort = cohort_on(PROGRAM, devices, states, [frozen for _, frozen in parts])
    return cohort, advance(cohort, members)


def advance(cohort, members: list[Member]) -> np.ndarray:
    rows = [batch(16, seed=m.seed, width=16) for m in members]
    hypers, frames = [m.hyper for m in members], [m.frame for m in members]
    return cohort.advance(rows, frames, hypers, [True] * len(members))


def assert_close(cohort, losses, reference, expected) -> None:
    """Within 1e-5 of other leaves that have moved by 1e-2."""
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for one, other in zip(cohort.states(), reference.states(), strict=True):
        assert int(one.step) == int(other.step) == 1
        np.testing.assert_array_equal(one.key, other.key)
        for path, leaf in one.trained.items():
            np.testing.assert_allclose(leaf, other.trained[path], rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def grid() -> list[Member]:
    """Eight members with as many seeds, learning rates, alphas and dropout rates."""
    return [member(i, 0.004 * (1 + i), 0.1 * i, alpha=1.0 + i, dropout=0.05 * i) for i in range(8)]


@pytest.fixture(scope="module")
def spread(grid):
    """The grid after one step, one member on each of eight devices."""
    return one_step(EIGHT, grid)


def test_a_member_equals_its_single_run():
    """Bit for bit, though each has its own data and values and one stops early."""
    members = [member(0), member(1, 0.003, alpha=2.0, dropout=0.5), misled(2)]
    together = fit_members(PROGRAM, members)
    assert [outcome.progress.steps for outcome in together] == [10, 10, 6]
    for one, outcome in zip(members, together, strict=True):
        [alone] = fit_members(PROGRAM, [one])
        assert_same_leaves(outcome.trained, alone.trained)
        assert outcome.progress.history == alone.progress.history
        assert outcome.progress.best_step == alone.progress.best_step
        assert outcome.progress.status == alone.progress.status


def test_members_spread_over_devices_equal_single_steps(grid, spread):
    cohort, losses = spread
    assert isinstance(cohort, Together)
    reference, expected = one_step(ONE, grid)
    assert isinstance(reference, OneByOne)
    assert_close(cohort, losses, reference, expected)
    for path, leaf in cohort.stacked.trained.items():
        held = {shard.device for shard in leaf.addressable_shards}
        assert len(held) == 8, path
        assert all(shard.data.shape[0] == 1 for shard in leaf.addressable_shards), path


def test_spread_members_do_not_communicate(spread):
    cohort, _ = spread
    [compiled] = cohort.step._compiled.values()
    assert not collectives(compiled.as_text())
    # The same look at a program that has to: a sum over the devices.
    cut = NamedSharding(EIGHT.mesh(), P("data"))
    array = jax.device_put(np.ones(8, np.float32), cut)
    assert collectives(jax.jit(lambda x: x.sum()).lower(array).compile().as_text())


@pytest.mark.thorough
def test_members_on_one_device_with_their_own_frozen_leaves_and_prefixes():
    """As after an earlier stage of training, and with demonstrations drawn by the seed."""
    drawn = np.random.default_rng(0)
    members = []
    for i, shown in enumerate(([3, 4, 8], [5], [9, 6])):
        earlier = {
            path: leaf + 0.3 * drawn.normal(size=leaf.shape).astype(np.float32)
            for path, leaf in PARAMS.items()
            if path.endswith(("value/kernel", "final_norm/scale"))
        }
        params = {**PARAMS, **earlier} if i else PARAMS
        members.append(replace(member(i, params=params), frame=prompt_frame(shown)))
    cohort, losses = one_step(VMAP, members)
    assert isinstance(cohort, Together)
    assert cohort.frozen["layers_0/attention/key/kernel"].shape == (16, 12)
    assert cohort.frozen["layers_0/attention/value/kernel"].shape == (3, 16, 12)
    reference, expected = one_step(ONE, members)
    assert np.ptp(expected) > 0.01
    assert_close(cohort, losses, reference, expected)


def test_one_program_serves_a_grid(grid, spread):
    """Seeds, learning rates, weight decays, alphas and dropout rates compile nothing new."""
    step = step_on(PROGRAM, ONE)
    one_step(ONE, grid[:1])
    count = compiled(step)
    one_step(ONE, grid)
    assert compiled(step) == count
    cohort, _ = spread
    again, _ = one_step(EIGHT, [replace(m, seed=m.seed + 9) for m in reversed(grid)])
    assert again.step is cohort.step
    assert len(cohort.step._compiled) == 1
    # An equal program is the same program, wherever it was built.
    rebuilt = Program(decoder(layers=1)[0], Schedule(**vars(SCHEDULE)))
    assert rebuilt.model is not MODEL
    assert step_on(rebuilt, Devices(count=1)) is step


def test_programs_are_described_by_what_all_processes_have_alike(monkeypatch):
    """An address of this one in their memory would be another in the next."""
    described = []
    monkeypatch.setattr(
        executable, "compile_lock", lambda program, wait: nullcontext(not described.append(program))
    )
    program = replace(PROGRAM, schedule=replace(SCHEDULE, warmup=0.5))  # not compiled before
    step_on(program, ONE).executables.clear()
    one = member(0)
    trained, frozen = split(one.leaves, mask((METHOD,), one.leaves))
    state = init_state(program, jax.random.PRNGKey(0), trained)
    cohort_on(program, ONE, [state], [frozen]).compiled(batch(16, width=16), one.frame, one.hyper)
    [text] = described
    assert "LoRA" in text and "float32" in text and "0x" not in text


def compiled(step) -> int:
    return sum(len(executable._compiled) for executable in step.executables.values())

"""One step on one device, on meshes and under pmap: the same numbers."""

from collections import Counter
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from research.common.errors import InputError
from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.methods.lora import LoRA
from research.methods.shared.leaves import mask, split
from research.runtime.devices import Devices, leaf_sharding
from research.training.parallel import MeshStep, step_on
from research.training.step import Metrics, Program, TrainState, init_state
from tests.hlo import collectives, size_of
from tests.thorough import cases
from tests.tiny import ANSWERER, FRAME, ONE, batch, decoder, fit_members, hyper, with_method
from tests.training.members import (
    METHOD,
    MODEL,
    PROGRAM,
    SCHEDULE,
    Killed,
    Once,
    assert_same_leaves,
    member,
    misled,
)

DATA = Devices(count=8)
BOTH = Devices(count=8, fsdp=4)
FSDP = Devices(count=8, fsdp=8)
PMAP = Devices(count=8, mode="pmap")
IN_TWO = Program(MODEL, replace(SCHEDULE, accumulate=2))


def start(program: Program):
    """(state, frozen, hyper) before the first step; dropout is on."""
    one = member(0, weight_decay=0.1, dropout=0.4)
    trained, frozen = split(one.leaves, mask((METHOD,), one.leaves))
    return init_state(program, jax.random.PRNGKey(0), trained), frozen, one.hyper


def three_steps(program: Program, devices: Devices):
    """(state, losses) after three steps; rows have targets of two and of three tokens."""
    step = step_on(program, devices)
    state, frozen, hyper = start(program)
    state, frozen, losses = step.place(state), step.place(frozen), []
    for i in range(3):
        state, metrics = step(state, frozen, batch(16, seed=i, width=16), FRAME, hyper)
        losses.append(float(metrics.loss))
    return step.read(state), losses


@pytest.fixture(scope="module")
def plain():
    return three_steps(PROGRAM, ONE)


@pytest.mark.parametrize(
    "program, devices",
    [
        pytest.param(PROGRAM, DATA, id="data"),
        pytest.param(PROGRAM, BOTH, id="data-fsdp", marks=pytest.mark.thorough),
        pytest.param(PROGRAM, FSDP, id="fsdp"),
        pytest.param(PROGRAM, PMAP, id="pmap"),
        pytest.param(IN_TWO, BOTH, id="data-fsdp-in-two", marks=pytest.mark.thorough),
        pytest.param(IN_TWO, PMAP, id="pmap-in-two", marks=pytest.mark.thorough),
    ],
)
def test_every_way_to_run_it_agrees_with_one_device(plain, program, devices):
    """Leaves move by 1e-2 a step; sums in another order change them by less than 1e-6, a mean of
    means or a random key by device by more than 1e-3.
    """
    (expected, expected_losses), (state, losses) = plain, three_steps(program, devices)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    assert int(state.step) == 3
    np.testing.assert_array_equal(state.key, expected.key)
    for path, leaf in expected.trained.items():
        np.testing.assert_allclose(state.trained[path], leaf, rtol=0, atol=1e-5, err_msg=path)


def compiled_lora(devices: Devices, layers: int = 1):
    """(the step that was compiled, the leaves that train, those that do not) for rows of which no
    size is a leaf's, on layers whose table is cut along the vocabulary, as published ones are.
    """
    model, params = decoder(layers=layers, vocab_size=64, head_width=4)
    method = LoRA(rank=5, targets=("query",))
    leaves = with_method(method, params)
    trained, frozen = split(leaves, mask((method,), leaves))
    program = Program(model, replace(SCHEDULE, batch_size=24))
    step = MeshStep(program, devices.mesh())
    state = step.place(init_state(program, jax.random.PRNGKey(0), trained))
    step(state, step.place(frozen), batch(24, width=14), prompt_frame(), hyper(method))
    [executable] = step.executables.values()
    [compiled] = executable._compiled.values()
    return compiled, trained, frozen


def moved(compiled) -> list[tuple[str, int]]:
    """(kind, size) of every array that devices tell one another."""
    told = collectives(compiled.as_text())
    return [(kind, size_of(array)) for kind, arrays in told.items() for array in arrays]


def test_devices_add_up_losses_and_gradients():
    """Each had only its own rows: the sums of the loss, the tokens and every gradient are all that
    they tell one another.
    """
    compiled, trained, _ = compiled_lora(DATA)
    rows = compiled.input_shardings[0][2]
    assert rows.tokens.shard_shape((24, 14)) == (3, 14)
    [(kind, summed)] = collectives(compiled.as_text()).items()
    assert kind == "all-reduce"
    sizes = [leaf.size for leaf in trained.values()]
    assert sorted(map(size_of, summed)) == sorted([1, 1, *sizes])


@pytest.mark.thorough
def test_fsdp_gathers_leaves_where_they_are_used():
    """Every matrix is gathered, and gradients are added up. No activation of a layer moves: only
    hidden states at targets do, of which each device makes the logits of its part of the table.
    """
    compiled, trained, frozen = compiled_lora(FSDP)
    rows = compiled.input_shardings[0][2]
    assert rows.tokens.shard_shape((24, 14)) == (3, 14)
    told = collectives(compiled.as_text())
    assert told.keys() == {"all-gather", "all-reduce"}
    matrices = {leaf.size for leaf in {**frozen, **trained}.values() if leaf.ndim == 2}
    assert matrices - {64 * 16} <= set(map(size_of, told["all-gather"]))
    assert {leaf.size for leaf in trained.values()} <= set(map(size_of, told["all-reduce"]))
    moved = {size_of(array) for arrays in told.values() for array in arrays} - matrices
    assert max(moved) <= 24 * 3 * 16 < 24 * 14 * 16


@pytest.mark.thorough
@pytest.mark.parametrize("devices", [BOTH, FSDP], ids=["2x4", "1x8"])
def test_another_layer_moves_its_leaves_and_their_gradients_alone(devices):
    """Whatever moves at targets or of the table: no activation does of a layer below the last."""
    two, three = (compiled_lora(devices, layers) for layers in (2, 3))
    more = Counter(moved(three[0])) - Counter(moved(two[0]))
    leaves = {path: leaf for path, leaf in {**three[1], **three[2]}.items() if "layers_0/" in path}
    matrices = {leaf.size for leaf in leaves.values() if leaf.ndim == 2}
    gathered = {size for kind, size in more if kind == "all-gather"}
    assert gathered == matrices
    cut = {size // devices.fsdp for size in matrices}
    added = {size for kind, size in more if kind == "all-reduce"} - {1}  # norms, to clip at
    assert {kind for kind, _ in more} == {"all-gather", "all-reduce"} and added <= matrices | cut


@pytest.mark.parametrize("devices", [BOTH, FSDP], ids=["2x4", "1x8"])
def test_fsdp_cuts_every_matrix(devices):
    """Frozen, trained and Adam's moments, before a step and after it."""
    step = step_on(PROGRAM, devices)
    state, frozen, hyper = start(PROGRAM)
    placed = step.place(frozen)
    before = step.place(state)
    # The step takes `before` for itself.
    shardings = jax.tree.map(lambda x: x.sharding, before)
    after, _ = step(before, placed, batch(16, width=16), FRAME, hyper)
    assert jax.tree.map(lambda x: x.sharding, after) == shardings
    moments = [after.optimizer[1].mu, after.optimizer[1].nu]
    for leaves in (placed, after.trained, *moments):
        for path, leaf in leaves.items():
            share = leaf.size // devices.fsdp if leaf.ndim == 2 else leaf.size
            assert all(part.data.size == share for part in leaf.addressable_shards), path
            assert len(leaf.addressable_shards) == 8


@pytest.mark.parametrize(
    "shape, spec",
    [
        ((16, 24), P(None, "fsdp")),
        ((24, 16), P("fsdp")),
        ((16, 3), P("fsdp")),
        ((3, 24), P(None, "fsdp")),
        ((6, 10), P()),
        ((16,), P()),
        ((), P()),
    ],
)
def test_a_matrix_is_cut_along_its_longest_axis_that_divides(shape, spec):
    assert leaf_sharding(BOTH.mesh(), np.zeros(shape)).spec == spec
    assert leaf_sharding(DATA.mesh(), np.zeros(shape)).spec == P()


def test_ranks_that_are_cut_along_other_axes_share_a_step():
    """A state's structure does not tell rank 3 from rank 32; its shardings do."""
    step = MeshStep(PROGRAM, BOTH.mesh())
    step.step = lambda state, *rest: (state._replace(step=state.step + 1), Metrics(*rest[-2:]))
    nothing = ({}, (), np.float32(1), np.float32(0))  # for the leaves, rows, loss and count
    for rank in (3, 32, 3):
        trained = {"a": jnp.ones((16, rank)), "b": jnp.ones((rank, 24))}
        state = step.place(TrainState(jnp.zeros(()), jax.random.PRNGKey(0), trained, ()))
        specs = {path: leaf.sharding for path, leaf in state.trained.items()}
        for _ in range(2):
            state, _ = step.compiled(state, *nothing)(state, *nothing)
        assert {path: leaf.sharding for path, leaf in state.trained.items()} == specs
        assert float(state.step) == 2


def test_the_callers_arrays_outlive_a_step():
    """The step gives up its state's memory, never that of the leaves it was made from."""
    step = step_on(PROGRAM, ONE)
    state, frozen, hyper = start(PROGRAM)
    before = {path: np.array(leaf) for path, leaf in {**frozen, **state.trained}.items()}
    placed = step.place(state)
    step(placed, step.place(frozen), batch(16, width=16), FRAME, hyper)
    assert placed.trained["lora:layers_0/attention/query/a"].is_deleted()
    assert_same_leaves({**frozen, **state.trained}, before)


@pytest.mark.parametrize("devices", cases([BOTH, PMAP], quick=()))
def test_training_on_many_devices_resumes_and_is_scored(devices, tmp_path):
    """Killed after one of two members has stopped; what was read again scores the same."""
    members = [member(0), misled(2)]

    def outcomes(where, checkpoints=None):
        return fit_members(PROGRAM, members, where, checkpoints=checkpoints)

    with pytest.raises(Killed):
        outcomes(devices, Once(tmp_path, at=8, killed=True))
    resumed, whole, alone = outcomes(devices, Once(tmp_path)), outcomes(devices), outcomes(ONE)
    assert [outcome.progress.steps for outcome in whole] == [10, 6]
    for one, first, second, plain in zip(members, whole, resumed, alone, strict=True):
        assert_same_leaves(first.trained, second.trained)
        dev_losses = [loss for *_, loss in first.progress.history]
        expected = [loss for *_, loss in plain.progress.history]
        np.testing.assert_allclose(dev_losses, expected, rtol=1e-4)
        dev = ANSWERER.training_answers(
            Predictor(PROGRAM.model, devices, PROGRAM.dtype),
            AdaptedWeights(one.hyper.methods, {**one.leaves, **second.trained}),
            EncodedPrompts(one.dev, one.frame),
        )
        assert dev.loss == first.progress.best_loss


@pytest.mark.parametrize(
    "devices, size, accumulate, message",
    [
        (DATA, 12, 1, "schedule.batch_size is 12: it has to divide into 1 .* on 8 devices"),
        (PMAP, 12, 1, "schedule.batch_size is 12: .* on 8 devices"),
        (BOTH, 16, 16, "schedule.batch_size is 16: .* 16 micro-batches on 8 devices"),
        (ONE, 16, 3, "schedule.batch_size is 16: .* 3 micro-batches on 1 devices"),
        (Devices(count=9), 16, 1, "devices.count is 9: 1 to 8 devices are here"),
        (Devices(count=0), 16, 1, "devices.count is 0: 1 to 8 devices are here"),
        (Devices(count=8, fsdp=3), 16, 1, "devices.fsdp is 3: it has to divide 8 devices"),
        (Devices(count=8, fsdp=0), 16, 1, "devices.fsdp is 0: it has to divide 8 devices"),
    ],
)
def test_what_cannot_be_divided(devices, size, accumulate, message):
    schedule = replace(SCHEDULE, batch_size=size, accumulate=accumulate)
    with pytest.raises(InputError, match=message):
        step_on(Program(MODEL, schedule), devices)


@pytest.mark.parametrize("devices", [PMAP, BOTH])
def test_members_are_not_spread_where_rows_or_leaves_are(devices):
    with pytest.raises(InputError, match="devices.members is 'vmap'"):
        replace(devices, members="vmap").vmapped()
    assert not devices.vmapped()


@pytest.mark.parametrize(
    "devices", cases([DATA, BOTH, PMAP], quick=()), ids=["data", "data-fsdp", "pmap"]
)
def test_layers_that_run_as_a_scan_agree_with_one_device(devices):
    """Leaves are stacked on the devices that have their parts."""
    model, params = decoder(layers=4)
    leaves = with_method(METHOD, params)
    trained, frozen = split(leaves, mask((METHOD,), leaves))

    def stepped(program: Program, devices: Devices):
        step = step_on(program, devices)
        state = step.place(init_state(program, jax.random.PRNGKey(0), trained))
        arguments = (batch(16, width=16), FRAME, hyper(METHOD))
        state, metrics = step(state, step.place(frozen), *arguments)
        return step.read(state), float(metrics.loss)

    program = Program(model, SCHEDULE)
    state, loss = stepped(program, ONE)
    scanned, scanned_loss = stepped(replace(program, model=model.with_layers("scan")), devices)
    assert scanned_loss == pytest.approx(loss, rel=1e-5)
    for path, leaf in state.trained.items():
        np.testing.assert_allclose(scanned.trained[path], leaf, rtol=0, atol=1e-5, err_msg=path)

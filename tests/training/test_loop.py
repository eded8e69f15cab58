"""The training loop: resuming to the same bits, stopping early, members that diverge."""

import dataclasses

import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.batch import EncodedPrompts
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.methods.shared.leaves import mask, split
from research.tasks.encoding.encoded import Encoded
from research.training.batches import batch_indices
from research.training.checkpoint import Checkpoints
from research.training.member import MemberProgress, Outcome, shapes_of
from tests.tiny import ANSWERER, ONE, encoded, fit_members
from tests.training.members import (
    METHOD,
    PROGRAM,
    VMAP,
    Killed,
    Once,
    assert_same_leaves,
    broken,
    member,
    misled,
)


def cohort():
    """One member that trains, one with other values, one that stops early, one that diverges."""
    return [member(0), member(1, 0.003, alpha=2.0, dropout=0.5), misled(2), broken(3)]


def run(devices, **options) -> list[Outcome]:
    return fit_members(PROGRAM, cohort(), devices, **options)


def assert_same(left: list[Outcome], right: list[Outcome]) -> None:
    """The same leaves and the same way to them, bit for bit; only the clock may differ."""
    for one, other in zip(left, right, strict=True):
        assert_same_leaves(one.trained, other.trained)
        first, second = (dataclasses.asdict(outcome.progress) for outcome in (one, other))
        seconds = [progress.pop("step_seconds") for progress in (first, second)]
        assert all(progress.pop("evaluation_seconds") > 0 for progress in (first, second))
        assert first == second
        assert len(seconds[0]) == len(seconds[1]) == first["steps"]
        assert one.results.plain() == other.results.plain()


@pytest.fixture(scope="module", params=[ONE, VMAP], ids=["host", "vmap"])
def whole(request):
    """(devices, outcomes): a cohort trained without interruption or checkpoints."""
    return request.param, run(request.param)


def test_the_cohort_is_as_varied_as_the_tests_need(whole):
    _, outcomes = whole
    plain, _, stops, diverges = (outcome.progress for outcome in outcomes)
    assert plain.steps == 10
    assert 2 < plain.best_step < 10
    assert (stops.status, stops.steps, stops.best_step) == ("stopped", 6, 2)
    assert (diverges.status, diverges.best_step) == ("diverged", 2)


@pytest.mark.parametrize("last", [3, 4, 10])
def test_resumed_equals_uninterrupted(whole, tmp_path, last):
    """Killed between two evaluations, right after one, and when all was done."""
    devices, outcomes = whole
    with pytest.raises(Killed):
        run(devices, checkpoints=Once(tmp_path, last, killed=True))
    assert_same(run(devices, checkpoints=Once(tmp_path)), outcomes)


def test_resumed_after_an_interrupted_report(whole, tmp_path):
    """Twice, the second time in the run that was itself resumed."""
    devices, outcomes = whole
    for at, last in ((3, 4), (2, 6)):

        def report(step, progress, last=last):
            if step == last:
                raise Killed

        checkpoints = Once(tmp_path, at)
        with pytest.raises(Killed):
            run(devices, checkpoints=checkpoints, report=report)
        assert checkpoints.saved == [last - 1]
    assert_same(run(devices, checkpoints=Once(tmp_path)), outcomes)


def test_a_checkpoint_of_another_cohort(tmp_path):
    run(ONE, checkpoints=Checkpoints(tmp_path, {"runs": ["another"]}, seconds=0.0))
    with pytest.raises(InputError, match="another cohort"):
        run(ONE, checkpoints=Once(tmp_path))


def test_the_state_kept_is_the_best_not_the_last(whole):
    """What it keeps scores on dev, to the bit, what the history says of the best step."""
    devices, outcomes = whole
    for one, outcome in zip(cohort(), outcomes, strict=True):
        progress = outcome.progress
        frozen = split(one.leaves, mask((METHOD,), one.leaves))[1]
        dev = ANSWERER.training_answers(
            Predictor(PROGRAM.model, devices, PROGRAM.dtype),
            AdaptedWeights(one.hyper.methods, {**frozen, **outcome.trained}),
            EncodedPrompts(one.dev, one.frame),
        )
        [scores] = outcome.results.results.values()  # of those leaves, with the same bits
        np.testing.assert_array_equal(scores, dev.scores)
        kept = [progress.best_step, dev.metrics["accuracy"], dev.loss]
        assert kept in [[step, score, loss] for step, _, score, loss in progress.history]
        assert kept[1:] == [progress.best_score, progress.best_loss]
        assert max(score for _, _, score, _ in progress.history) == progress.best_score


def test_a_diverging_member_leaves_the_others_alone(whole):
    devices, outcomes = whole
    sound = fit_members(PROGRAM, [*cohort()[:3], member(3)], devices)
    assert sound[3].progress.status != "diverged"
    assert_same(sound[:3], outcomes[:3])


def test_a_state_that_breaks_in_the_last_step_before_dev_is_not_kept():
    """Its training losses are finite still; its dev scores are not, and 'beat' no score at all."""
    one = member(4, weight_decay=1e38)
    [outcome] = fit_members(PROGRAM, [one])
    assert (outcome.progress.status, outcome.progress.best_step) == ("diverged", 0)
    assert_same_leaves(outcome.trained, split(one.leaves, mask((METHOD,), one.leaves))[0])


def test_reports_after_the_first_step_and_each_evaluation():
    seen = []
    fit_members(PROGRAM, [misled(2)], report=lambda *args: seen.append(args))
    assert [step for step, _ in seen] == [1, 2, 4, 6]
    assert all(len(progress) == 1 for _, progress in seen)


def test_ties_are_broken_by_lower_loss():
    progress = MemberProgress()
    dev = [(0.5, 1.0), (0.5, 1.0), (0.5, 0.9), (0.5, 0.95), (0.6, 7.0)]
    better = [progress.record_dev(step, *at, patience=9) for step, at in enumerate(dev)]
    assert better == [True, False, True, False, True]
    assert (progress.best_step, progress.best_score, progress.best_loss) == (4, 0.6, 7.0)


def test_patience_counts_evaluations_since_the_best():
    progress = MemberProgress()
    for step, score in enumerate([0.5, 0.4, 0.6, 0.6, 0.1]):
        assert progress.status == "running"
        progress.record_dev(step, score, 1.0, patience=2)
    assert (progress.status, progress.best_step, progress.without_gain) == ("stopped", 2, 2)


def test_the_cost_is_that_of_the_widest_step(tmp_path):
    """Also for a resumed run, which sees only the steps that are left."""
    one, short = member(0), encoded(320, width=8)
    tokens, start, length = (
        np.pad(short.tokens, ((0, 0), (0, 6))),
        short.prompt_length + 0,
        short.length + 0,
    )
    narrow = dataclasses.replace(one, train=dataclasses.replace(short, tokens=tokens.copy()))
    # One long row, in one of the ten steps.
    row = batch_indices(length, 16, one.seed, 0)[0]
    tokens[row, 8:12], start[row], length[row] = tokens[row, :4], 10, 12
    wide = dataclasses.replace(one, train=Encoded(tokens, length, start, short.label, cut=0))
    [last] = [step for step in range(10) if row in batch_indices(length, 16, one.seed, step)]
    assert last < 9

    def cost(member, checkpoints=None):
        return fit_members(PROGRAM, [member], checkpoints=checkpoints)[0].progress.cost

    whole = cost(wide)
    # Twice as wide, but in the last of the two layers, which computes targets alone.
    assert whole["flops"] > 1.2 * cost(narrow)["flops"]
    with pytest.raises(Killed):
        cost(wide, Once(tmp_path, at=last + 1, killed=True))
    assert cost(wide, Once(tmp_path)) == whole
    # And for a member of a cohort that is trained elsewhere.
    alone = [fit_members(PROGRAM, [narrow])]
    shapes = shapes_of([narrow, wide], ANSWERER)
    [apart] = fit_members(PROGRAM, [narrow], shapes=shapes)
    assert apart.progress.cost == whole
    assert_same_leaves(apart.trained, alone[0][0].trained)

import itertools
from dataclasses import replace

import pytest

from research.common.errors import InputError
from research.records.trial_selection import choose, same_trial, search_runs
from tests.run_records import make_record


def run(rate, seed, score, loss=1.0, **changes):
    dev = {"accuracy": score, "macro_f1": 1 - score, "loss": loss}
    return make_record(seed, trial={"learning_rate": rate}, metrics={"dev": dev}, **changes)


def grid(scores):
    """Records of {rate: scores by seed}, in the order of the plan."""
    return [run(rate, s, score) for rate, row in scores.items() for s, score in enumerate(row)]


def test_the_best_mean_over_the_seeds_wins_not_the_best_run():
    assert choose(grid({1e-4: [0.7, 0.7], 1e-3: [0.95, 0.4]})) == {"learning_rate": 1e-4}


def test_the_headline_metric_decides():
    records = [replace(r, metric="macro_f1") for r in grid({1e-4: [0.7, 0.7], 1e-3: [0.6, 0.6]})]
    assert choose(records) == {"learning_rate": 1e-3}


def test_ties_go_to_the_lower_loss_then_to_the_first_in_the_plan():
    tied = [run(1e-3, 0, 0.7, loss=1.0), run(1e-4, 0, 0.7, loss=0.9), run(1e-5, 0, 0.7, loss=0.9)]
    assert choose(tied) == {"learning_rate": 1e-4}
    assert choose([tied[0], tied[2], tied[1]]) == {"learning_rate": 1e-5}


def test_equal_means_are_equal_whatever_their_rounding():
    rows = {1e-3: [0.1, 0.2, 0.3], 1e-4: [0.3, 0.2, 0.1], 1e-5: [0.2, 0.2, 0.2]}
    for order in itertools.permutations(rows):
        assert choose(grid({rate: rows[rate] for rate in order})) == {"learning_rate": order[0]}


def test_a_diverged_run_is_worse_than_any_score():
    fine = grid({1e-4: [0.5, 0.5]})
    lucky = [run(1e-2, 0, 0.9), run(1e-2, 1, 0.99, status="diverged")]
    assert choose(lucky + fine) == {"learning_rate": 1e-4}
    lost = [run(1e-1, seed, 0.99, status="diverged") for seed in range(2)]
    lost[0] = replace(lost[0], metrics={})
    assert choose(lost + lucky) == {"learning_rate": 1e-2}
    assert choose(lost) == {"learning_rate": 1e-1}


def test_test_scores_play_no_role():
    records = grid({1e-4: [0.7, 0.7], 1e-3: [0.6, 0.6], 1e-2: [0.5, 0.5]})
    expected = choose(records)
    for corrupt in ({"accuracy": 1.0, "loss": 0.0}, {"accuracy": "x"}, {}):
        for chosen in range(len(records)):
            changed = list(records)
            metrics = {**records[chosen].metrics, "test": corrupt}
            changed[chosen] = replace(records[chosen], metrics=metrics)
            assert choose(changed) == expected


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "one cell"),
        (grid({1e-3: [0.5, 0.5], 1e-4: [0.5]}), "same seeds"),
        (grid({1e-3: [0.5]}) * 2, "once each"),
        ([run(1e-3, 0, 0.5), run(1e-4, 1, 0.5)], "same seeds"),
        ([run(1e-3, 0, 0.5), run(1e-4, 0, 0.5, task="topic")], "one cell"),
        ([run(1e-3, 0, 0.5), run(1e-4, 0, 0.5, metric="macro_f1")], "metric"),
    ],
)
def test_unequal_budgets_are_refused(records, message):
    with pytest.raises(InputError, match=message):
        choose(records)


def test_a_finished_run_without_a_dev_score_is_refused():
    records = grid({1e-3: [0.5], 1e-4: [0.5]})
    records[0] = replace(records[0], metrics={})
    with pytest.raises(InputError, match="dev score"):
        choose(records)
    assert choose(records[:1]) == {"learning_rate": 1e-3}  # nothing to choose


def test_search_runs_leave_the_further_seeds_of_the_chosen_trial_out():
    records = grid({1e-3: [0.5, 0.5], 1e-4: [0.9, 0.9, 0.1, 0.1, 0.1]})
    assert search_runs(records) == search_runs(records, 2) == records[:4]
    assert len(search_runs(records, 1)) == 2
    assert choose(search_runs(records)) == {"learning_rate": 1e-4}
    assert search_runs([]) == []


def test_trials_are_compared_by_value():
    assert same_trial(run(1e-3, 0, 0.5), {"learning_rate": 0.001})
    assert not same_trial(run(1e-3, 0, 0.5), {"learning_rate": 0.002})

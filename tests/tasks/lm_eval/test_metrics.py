"""Metrics of task files, with the values of lm-evaluation-harness's code."""

import math

import pytest

from research.tasks.lm_eval.metrics import (
    AGGREGATIONS,
    METRICS,
    ChoiceScores,
    choice_value,
    exact_match,
    rolling_value,
)


@pytest.mark.parametrize(
    ("output", "reference", "options", "value"),
    [
        ("Yes", "Yes", {}, 1.0),
        ("Yes ", "Yes", {}, 0.0),
        ("yes", "Yes", {"ignore_case": True}, 1.0),
        ("Yes.", "Yes", {"ignore_punctuation": True}, 1.0),
        ("Yes1", "Yes2", {"ignore_numbers": True}, 1.0),
        ("1,000", "thus #### 1000", {"regexes_to_ignore": [",", "(?s).*#### "]}, 1.0),
    ],
)
def test_exact_match(output, reference, options, value):
    assert exact_match(output, [reference], options) == value
    assert exact_match(output, ["other", reference], options) == value


def test_the_metrics_of_choices():
    # Per character -1, -0.6 and -0.75; per byte -1, -0.6 and -0.375.
    item = ChoiceScores(
        texts=("aa", "bbbbb", "éééé"),
        log_likelihoods=(-2.0, -3.0, -3.0),
        greedy=(True, False, False),
        gold=(1,),
        unconditional=(-1.0, -1.0, -5.0),
    )
    assert choice_value("acc", item) == 0.0
    assert choice_value("acc_norm", item) == 1.0
    assert choice_value("acc_bytes", item) == 0.0
    assert choice_value("acc_mutual_info", item) == 0.0
    assert choice_value("acc_mutual_info", item._replace(gold=(2,))) == 1.0
    assert choice_value("acc", item._replace(gold=(0, 2))) == 1.0
    assert choice_value("exact_match", item) == 0.0
    assert choice_value("exact_match", item._replace(gold=(0,))) == 1.0
    assert choice_value("f1", item) == (1, 0) == choice_value("mcc", item)
    gold, shares = choice_value("brier_score", item)
    total = math.exp(-2) + 2 * math.exp(-3)
    assert (gold, shares[0]) == (1, pytest.approx(math.exp(-2) / total))


def test_aggregations():
    assert AGGREGATIONS["mean"]([1, 0, 0, 1]) == 0.5
    assert AGGREGATIONS["nanmean"]([1.0, math.nan]) == 1.0
    assert AGGREGATIONS["median"]([3, 1, 2, 4]) == 3
    assert AGGREGATIONS["perplexity"]([-1.0, -3.0]) == pytest.approx(math.exp(2))
    values = [
        rolling_value(name, -8.0, "zwei Wörter") for name in ("word_perplexity", "bits_per_byte")
    ]
    assert values == [(-8.0, 2), (-8.0, 12)]
    assert AGGREGATIONS["weighted_perplexity"](values[:1]) == pytest.approx(math.exp(4))
    assert AGGREGATIONS["bits_per_byte"](values[1:]) == pytest.approx(8 / 12 / math.log(2))
    pairs = [(1, 1), (1, 0), (0, 1), (0, 0), (1, 1)]
    assert AGGREGATIONS["f1"](pairs) == pytest.approx(2 / 3)
    assert AGGREGATIONS["matthews_corrcoef"](pairs) == pytest.approx(1 / 6)
    assert AGGREGATIONS["brier_score"]([(0, [0.5, 0.5]), (1, [0.0, 1.0])]) == pytest.approx(0.25)


def test_corpus_scores_are_those_of_sacrebleu():
    values = [(["the cat sat on the mat"], "the cat sat on the mat")]
    assert AGGREGATIONS["bleu"](values) == pytest.approx(100)
    assert AGGREGATIONS["chrf"](values) == pytest.approx(100)
    assert AGGREGATIONS["chrf++"](values) == pytest.approx(100)
    assert AGGREGATIONS["ter"](values) == 0
    assert AGGREGATIONS["ter"]([("a b c d", "a b c e")]) == pytest.approx(25)


def test_each_metric_has_its_aggregation():
    assert {metric.aggregation for metric in METRICS.values()} <= set(AGGREGATIONS)

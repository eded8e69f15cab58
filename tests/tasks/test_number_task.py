"""Tasks whose answer is a number: their metrics, their examples and their rows."""

import numpy as np
import pytest
from scipy import stats

from research.common.errors import InputError
from research.tasks.datasets.number_files import NumberFileTask
from research.tasks.encoding.demonstrations import demonstration_text
from research.tasks.encoding.number_encoder import NumberEncoder
from research.tasks.metrics.regression import NUMBER_METRICS
from research.tasks.sampling import Regime, draw
from research.tasks.task_settings import Outline
from tests.films import tokenizer

ROWS = [f"a film {i}\tthe film {i % 3}\t{i / 4}" for i in range(8)]
SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}


@pytest.mark.parametrize("name", NUMBER_METRICS)
def test_correlations_and_their_deletions_equal_scipy(name: str):
    """Of numbers far from 0, rounded so that many are equal."""
    noise = np.random.default_rng(0)
    gold = noise.normal(size=40).round(1)
    predicted = 1e4 + (gold + noise.normal(size=40)).round(1)
    score, without = NUMBER_METRICS[name](predicted, gold)
    assert score == pytest.approx(SCIPY[name](predicted, gold).statistic, abs=1e-9)
    pairs = [(np.delete(predicted, i), np.delete(gold, i)) for i in range(40)]
    expected = [SCIPY[name](*pair).statistic for pair in pairs]
    np.testing.assert_allclose(without, expected, atol=1e-9)
    assert NUMBER_METRICS[name](-gold, gold)[0] == pytest.approx(-1)


@pytest.mark.parametrize("name", NUMBER_METRICS)
def test_what_never_changes_correlates_with_nothing(name: str):
    """Though 0.1 is not exactly the mean of twelve times 0.1."""
    gold = np.sort(np.random.default_rng(0).normal(size=12))
    score, without = NUMBER_METRICS[name](np.full(12, 0.1), gold)
    assert score == 0 and not without.any()
    score, without = NUMBER_METRICS[name](np.array([0.1] * 11 + [7.3]), gold)
    assert score > 0 and without[11] == 0 and (without[:11] > 0).all()
    assert NUMBER_METRICS[name](gold[:1], gold[:1]) == (0, [0])


@pytest.fixture
def settings(tmp_path) -> dict:
    lines = {"train": ROWS[:6], "test": ROWS[6:]}
    for split, rows in lines.items():
        text = "\n".join(["first\tsecond\tscore", *rows]) + "\n"
        (tmp_path / f"{split}.tsv").write_text(text)
    files = {split: str(tmp_path / f"{split}.tsv") for split in lines}
    return {**files, "name": "alike", "text": ("first", "second"), "label": "score"}


def test_a_task_of_numbers(settings: dict):
    task = NumberFileTask(**settings).load()
    assert (task.labels, task.metric) == ((), "pearson")
    assert [one.label for one in task.test] == ["1.5", "1.75"]
    assert len(draw(task, Regime.parse("2-shot"), 0).train) == 2
    other = NumberFileTask(**settings, metric="spearman").load()
    assert other.checksum != task.checksum
    hub = NumberFileTask(**{**settings, "path": "somewhere"}).outline()
    assert hub == Outline("alike", (), task.templates)


@pytest.mark.parametrize("score", ["good", "nan", "inf", ""])
def test_what_is_no_number_is_refused(settings: dict, tmp_path, score: str):
    (tmp_path / "test.tsv").write_text(f"first\tsecond\tscore\na\tb\t1e-1\na\tc\t{score}\n")
    expected = "label 2 of test is" if score else "test.tsv is 'score': 1 of 2 rows are empty"
    with pytest.raises(InputError, match=expected):
        NumberFileTask(**settings).load()


def test_other_metrics_are_refused(settings: dict):
    with pytest.raises(InputError, match="metric is 'accuracy': allowed are pearson, spearman"):
        NumberFileTask(**settings, metric="accuracy").load()


def test_rows_have_numbers_and_no_targets(settings: dict, monkeypatch: pytest.MonkeyPatch):
    words, task = tokenizer(), NumberFileTask(**settings).load()
    fields = (words, task.templates[0], task.verbalizer, task.labels, 40)
    with pytest.raises(InputError, match="route is 'masked': the task asks for a number"):
        NumberEncoder(*fields, route="masked")
    words.cls_token, words.sep_token = "<s>", "</s>"
    encoder = NumberEncoder(*fields, route="head")
    rows = encoder.training(task.test)
    assert rows.label.dtype == np.float32 and rows.label.tolist() == [1.5, 1.75]
    np.testing.assert_array_equal(rows.length, rows.prompt_length)
    assert encoder.label_tokens().length.tolist() == [1]
    assert demonstration_text(encoder, task.test[:1]).endswith(" 1.5\n\n")


@pytest.mark.parametrize("name", NUMBER_METRICS)
def test_a_prediction_that_is_not_finite_gives_the_lowest_correlation(name: str):
    gold = np.arange(5.0)
    for value in (np.nan, np.inf, -np.inf):
        predicted = gold.copy()
        predicted[3] = value
        score, without = NUMBER_METRICS[name](predicted, gold)
        assert score == -1 and without.tolist() == [-1] * 5

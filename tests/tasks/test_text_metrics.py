"""Metrics of texts against plain formulas, published examples and sacrebleu."""

import functools

import numpy as np
import pytest
import sacrebleu

from research.tasks.metrics.corpus import CORPUS_METRICS, corpus_score
from research.tasks.metrics.text import TEXT_METRICS, exact_match, f1, rouge_l
from research.tasks.texts import ScoredTexts

WORDS = ["the", "cat", "sat", "on", "a", "mat", ",", "and", "it", "did", "not", "Move", "far", "!"]


def sentences(count: int, seed: int, most: int = 12) -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(1, most))) for _ in range(count)]


def test_exact_match_is_strict_but_for_white_space():
    assert exact_match(" a  b\n", ["x", "a b"]) == 1
    assert (
        exact_match("A b", ["a b"]) == exact_match("a b.", ["a b"]) == exact_match("", ["a"]) == 0
    )


def test_f1_is_that_of_squad():
    """The first two as the evaluation script of SQuAD 1.1 gives them."""
    assert f1("the Denver Broncos!", ["Denver Broncos"]) == 1
    assert f1("in the year 1989", ["1989", "nineteen"]) == pytest.approx(2 * 1 / 3 / (1 / 3 + 1))
    assert f1("b b c", ["b c c"]) == pytest.approx(2 / 3)  # bags: each word as often as in both
    assert f1("", ["the"]) == 1 and f1("", ["word"]) == 0


@functools.cache
def longest(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """The longest common subsequence by its recursive definition."""
    if not first or not second:
        return 0
    if first[-1] == second[-1]:
        return longest(first[:-1], second[:-1]) + 1
    return max(longest(first[:-1], second), longest(first, second[:-1]))


def test_rouge_l_is_its_definition():
    for output, reference in zip(sentences(60, 0), sentences(60, 1), strict=True):
        words = [tuple(w.lower() for w in t.split() if w.isalpha()) for t in (output, reference)]
        common = longest(*words)
        expected = 0.0
        if common:
            precision, recall = common / len(words[0]), common / len(words[1])
            expected = 2 * precision * recall / (precision + recall)
        assert rouge_l(output, [reference]) == pytest.approx(expected)
    # Lin 2004, section 3.1: S1 and its two candidates, 3 and 2 of 4 words in sequence.
    reference = ["police killed the gunman"]
    assert rouge_l("police kill the gunman", reference) == 0.75
    assert rouge_l("the gunman kill police", reference) == 0.5


@pytest.mark.parametrize("name", TEXT_METRICS)
def test_the_best_reference_counts_and_nothing_written_is_worth_nothing(name):
    metric = TEXT_METRICS[name]
    assert metric("a red fox", ["blue whale", "a red fox"]) == 1
    assert metric("", ["blue whale"]) == metric("?!", ["blue whale"]) == 0


@pytest.mark.parametrize("name", CORPUS_METRICS)
def test_corpus_metrics_are_those_of_sacrebleu(name):
    """Also where the texts have one to three references, and for each text left out."""
    outputs, whole = sentences(9, 2), [sentences(9, seed) for seed in (3, 4, 5)]
    references = [tuple(one[: 1 + i % 3]) for i, one in enumerate(zip(*whole, strict=True))]
    official = {"bleu": sacrebleu.corpus_bleu, "chrf": sacrebleu.corpus_chrf}[name]

    def expected(places: list[int]) -> float:
        known = [references[place] for place in places]
        lines = [[one[i] if i < len(one) else None for one in known] for i in range(3)]
        return official([outputs[place] for place in places], lines).score / 100

    score, without = corpus_score(name, outputs, references)
    assert 0 < score < 1 and score == pytest.approx(expected(list(range(9))))
    left = [expected([i for i in range(9) if i != out]) for out in range(9)]
    np.testing.assert_allclose(without, left)


def test_scores_without_an_item():
    found = ScoredTexts(
        ("a", "b", "c"), (("a",), ("b",), ("x",)), {"exact_match": np.array([1, 1, 0])}
    )
    score, without = found.without("exact_match")
    assert score == pytest.approx(2 / 3)
    np.testing.assert_allclose(without, [0.5, 0.5, 1.0])
    assert found.metrics().keys() == {"exact_match", "bleu", "chrf"}


def test_empty_outputs_have_scores():
    found = ScoredTexts(("", ""), (("a b",), ("c",)), {"f1": np.zeros(2)})
    assert found.metrics() == {"f1": 0, "bleu": 0, "chrf": 0}
    assert np.isfinite(found.without("bleu")[1]).all()

"""Filters, with the values of lm-evaluation-harness's code."""

import pytest

from research.common.errors import InputError
from research.tasks.lm_eval.config import FilterPipeline
from research.tasks.lm_eval.filters import check_pipeline, filtered


def run(outputs, *steps):
    return filtered(FilterPipeline("test", steps), outputs)


@pytest.mark.parametrize(
    ("output", "options", "result"),
    [
        ("so #### 12, or #### 13", {}, "12,"),
        ("so #### 12 or #### 13", {"group_select": -1}, "13"),
        ("nothing", {}, "[invalid]"),
        ("nothing", {"fallback": " no "}, " no "),
        ("a\nb", {"regex_pattern": "a.b"}, "[invalid]"),
        ("answer is 7", {"regex_pattern": r"(\d+)|(x)"}, "7"),
        ("xy", {"regex_pattern": "(a)|(b)|()", "fallback": " no "}, "no"),
    ],
)
def test_regex(output, options, result):
    assert run([output], ("regex", options)) == [result]


def test_the_others():
    outputs = [" a", "B", "B", "C"]
    assert run(outputs, ("take_first", {})) == " a"
    assert run(outputs, ("take_first_k", {"k": 2}), ("remove_whitespace", {})) == ["a", "B"]
    assert run(outputs, ("majority_vote", {}), ("take_first", {})) == "B"
    assert run(["b", "a"], ("majority_vote", {})) == ["b"]
    assert run(outputs, ("lowercase", {})) == [" a", "b", "b", "c"]
    assert run(outputs, ("uppercase", {})) == [" A", "B", "B", "C"]
    mapping = {"mapping_dict": {"B": 1}, "default_value": 0}
    assert run(outputs, ("map", mapping)) == [0, 1, 1, 0]


def test_too_few_outputs_are_refused():
    with pytest.raises(InputError, match="an item has 1 outputs"):
        run(["a"], ("take_first_k", {"k": 2}))


def test_an_index_without_a_match_is_refused():
    with pytest.raises(InputError, match="group_select is 2: an output has 1 matches"):
        run(["#### 1"], ("regex", {"group_select": 2}))


def test_a_search_that_takes_too_long_is_one_sentence():
    with pytest.raises(InputError, match="takes more than"):
        run(["a" * 40 + "b"], ("regex", {"regex_pattern": r"(a+)+$|(a|aa)+$"}))


def test_an_invalid_pattern_is_refused():
    with pytest.raises(InputError, match="no regular expression"):
        check_pipeline(FilterPipeline("test", (("regex", {"regex_pattern": "("}),)))

"""Metrics of task files, with the values of lm-evaluation-harness's code."""

import pytest

from research.tasks.lm_eval.metrics import exact_match


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

"""The label that a text names."""

import pytest

from research.tasks.prompts.label_match import LabelMatcher, bare
from research.tasks.prompts.verbalizer import Verbalizer

MATCHER = LabelMatcher(
    ("0", "1"), Verbalizer({"0": ("negative", "very bad"), "1": ("positive", "great")})
)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("0", "0"),
        ("1", "1"),
        ("negative", "0"),
        (" great\n", "1"),
        ("Great", None),
        ("great!", None),
        ("", None),
        ("2", None),
    ],
)
def test_an_exact_text_is_a_label_or_one_of_its_texts(text: str, label: str | None):
    assert MATCHER.exact(text) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("positive", "1"),
        ("  Positive.\n", "1"),
        ("**POSITIVE**", "1"),
        ("“great”", "1"),
        ("«very   bad»!", "0"),
        ("Very\nbad", "0"),
        ("It is positive", None),
        ("positively", None),
        ("1", None),  # a reply is the text of a label, not its name
        ("...", None),
        ("", None),
    ],
)
def test_a_reply_may_differ_in_case_and_in_what_surrounds_it(text: str, label: str | None):
    assert MATCHER.in_reply(text) == label


def test_texts_of_punctuation_match_exactly():
    matcher = LabelMatcher(("a", "b"), Verbalizer({"a": "+", "b": "-"}))
    assert (matcher.in_reply(" + "), matcher.in_reply("-")) == ("a", "b")
    assert matcher.in_reply("*") is None


def test_a_text_that_may_name_two_labels_names_none():
    swapped = LabelMatcher(("0", "1"), Verbalizer({"0": "1", "1": "0"}))
    assert swapped.exact("1") is None and swapped.in_reply("1") == "0"
    cases = LabelMatcher(("a", "b"), Verbalizer({"a": "US", "b": "us"}))
    assert (cases.in_reply("US"), cases.in_reply("us"), cases.in_reply("Us")) == ("a", "b", None)


def test_vowel_signs_and_accents_are_no_punctuation():
    assert bare("«हाँ।»") == "हाँ" and bare("É!") == "é"

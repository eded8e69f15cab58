import pytest

from research.common.errors import InputError
from research.tasks.prompts.template import Template


def test_fill_puts_columns_into_the_text():
    template = Template("Review: {text}\nBy {author name}:\nSentiment:")
    assert template.names == ("text", "author name")
    filled = template.fill({"text": "good", "author name": "Ann", "unused": "x"})
    assert filled == "Review: good\nBy Ann:\nSentiment:"


def test_braces_are_literal_when_doubled_and_when_they_come_from_a_value():
    template = Template('{{"review": "{text}"}} ->')
    assert template.fill({"text": "{label} {0} {{"}) == '{"review": "{label} {0} {{"} ->'


def test_a_column_may_stand_twice_and_may_hold_dots():
    template = Template("{a.b} or {a.b}?")
    assert template.names == ("a.b",)
    assert template.fill({"a.b": "1"}) == "1 or 1?"


def test_a_prompt_ends_in_white_space_only_where_the_template_does():
    assert Template("Review: {text}").fill({"text": " so  so \n"}) == "Review:  so  so"
    assert Template("{text}\n").fill({"text": "so "}) == "so \n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Sentiment:", "no column"),
        ("{text", "braces"),
        ("text} {text}", "braces"),
        ("{} is", "name of a column"),
        ("{text!r} is", "name of a column"),
        ("{text:>3} is", "name of a column"),
    ],
)
def test_bad_templates_are_refused(text: str, reason: str):
    with pytest.raises(InputError, match=reason):
        Template(text)


def test_an_unknown_column_is_named_with_the_nearest():
    with pytest.raises(InputError, match="no column 'sentense'; did you mean 'sentence'"):
        Template("{sentense}:").fill({"sentence": "x", "label": "y"})

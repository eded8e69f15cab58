"""The answer within a text, and the vote of several texts."""

import pytest

from research.common import user_regex
from research.tasks.answers import AnswerParser, ParsedText
from research.tasks.datasets.text_files import after_marker

STRICT = AnswerParser(r"#### (\S+)")


@pytest.mark.parametrize(
    "pattern, text, answer",
    [
        (r"#### (\S+)", "3 + 4 = 7\n#### 7", "7"),
        (r"#### (\S+)", "#### 7\nno, once more\n#### 8 apples", "8"),
        (r"#### (\S+)", "7", None),
        (r"#### (\S+)", "", None),
        (r"is (.*)", "it is  good \nand that", "good"),  # a dot ends with the line
        (r"#### ?(.*)", "#### 7\n####", "7"),  # an empty match is no answer
        (r"(-?[$0-9.,]{2,})|(-?[0-9]+)", "5 of 12, so 3", "3"),  # the group that took part
        (r"<answer>((?:.|\n)*?)</answer>", "<answer>a\nb</answer>", "a\nb"),
        (r"(?i)answer: (\w+)", "ANSWER: yes", "yes"),
        (after_marker("=>"), "=> 4 => 5\n=>6 => 7 km \n8", "7 km"),
    ],
)
def test_the_last_match_counts(pattern: str, text: str, answer: str | None):
    assert AnswerParser(pattern).parse(text) == ParsedText(answer)


def test_without_a_pattern_the_whole_text_is_the_answer():
    assert AnswerParser().parse("so 7 it is") == ParsedText("so 7 it is")
    assert AnswerParser(numeric=True).parse("so 7 it is") == ParsedText("so 7 it is")
    assert AnswerParser(numeric=True).parse("none") == ParsedText(None)
    assert not AnswerParser().extracts and AnswerParser(numeric=True).extracts


def test_a_search_that_takes_too_long_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(user_regex, "SECONDS", 0.05)
    slow = AnswerParser("((?:a|aa)+)$")
    assert slow.parse("a" * 9) == ParsedText("a" * 9)
    assert slow.parse("a" * 60 + "b") == ParsedText(None, timed_out=True)


@pytest.mark.parametrize(
    "answers, vote",
    [
        (["a", "b", "b"], "b"),
        (["a", "b"], "a"),  # of equally many, the first
        (["b", "a", "a", "b"], "b"),
        ([None, None, "c"], "c"),  # a text without an answer has no vote
        ([None, None], None),
        (["a  b", "a b", "c"], "a  b"),  # white space aside
        (["A", "a", "a"], "a"),
    ],
)
def test_the_most_frequent_answer_wins(answers: list[str | None], vote: str | None):
    assert STRICT.vote(answers) == vote


def test_equal_numbers_vote_together():
    numeric = AnswerParser(numeric=True)
    assert numeric.vote(["9", "1,000", "9 km", "1000.0", "$1000"]) == "1,000"
    assert STRICT.vote(["9", "1,000", "9", "1000.0"]) == "9"
    assert numeric.vote(["x", "y", "y"]) == "y"

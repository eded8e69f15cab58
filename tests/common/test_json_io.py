"""Plain data from outside."""

import pytest

from research.common.json_io import is_text, parse_json


def test_json_is_read_as_it_stands():
    assert parse_json('{"a": [1, {"a": "\\ud83d\\ude00 \\\\ud800"}]}') == {
        "a": [1, {"a": "😀 \\ud800"}]
    }
    assert parse_json(b"\xef\xbb\xbf[1.50]", parse_float=str) == ["1.50"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "an object names 'c' twice"),
        ("[" * 100_000, "too many values within one another"),
        ('["\\uD800"]', "half of a surrogate pair"),
        ('{"\\udc00": 1}', "half of a surrogate pair"),
        (b'["\xed\xa0\x80"]', "can't decode"),
        (b"\xff\xfe[\x00]\x00", "can't decode"),
    ],
)
def test_json_that_means_nothing_or_two_things(text: str | bytes, said: str):
    with pytest.raises(ValueError, match=said):
        parse_json(text)


def test_what_is_no_text():
    assert is_text("a\0\u2028😀") and not is_text("a\ud800")

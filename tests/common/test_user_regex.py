"""Bounds on the regular expressions of users."""

import pytest

from research.common.errors import InputError
from research.common.user_regex import check_expression, expanded_size, regex_matches


@pytest.mark.parametrize(
    "pattern, size",
    [
        ("abc", 3),
        ("a{3}b", 4),
        ("(ab){4}", 12),
        ("(a|b{2}){3}c", 16),
        ("[(]{5}", 15),
        (r"\({5}", 10),
        ("[]a]{2}", 8),
        ("a{2,5}", 2),
        ("(?:a{0,9}){,7}", 8),
        ("((a{1000}){1000}){1000}", 1_001_001_000),
    ],
)
def test_repeats_are_written_out(pattern: str, size: int):
    assert expanded_size(pattern) == size


@pytest.mark.parametrize(
    "pattern",
    [
        "a{10000000}",
        "((a{1000}){1000}){1000}",
        "(a?){1000000}a{1000000}",
        "(?:(?:a{30}b){30}c){30}",
        "a{" + "9" * 5000 + "}",
        "a" * 20_001,
        "(?:" + "|".join(f"a{i}" for i in range(10_000)) + ")",
    ],
)
def test_large_ones_are_refused_before_they_are_compiled(pattern: str):
    with pytest.raises(InputError, match="^f is .*: at most 20,000 characters are allowed"):
        check_expression(pattern, "f")


@pytest.mark.parametrize("pattern", ["(?R)", "(a(?1)?b)", "(?P<n>a)(?&n)", "(?P<n>a)(?P>n)"])
def test_recursion_is_refused(pattern: str):
    with pytest.raises(InputError, match="does not refer to itself"):
        check_expression(pattern, "f")


def test_groups_too_deep_are_one_sentence():
    with pytest.raises(InputError, match="too many groups within one another"):
        check_expression("(" * 5000 + ")" * 5000, "f")


def test_ordinary_patterns_match_as_before():
    for pattern in (r"\d{4}-\d{2}-\d{2}", "(?:a|b){2,3}", r"[\w.]{1,64}@x", r"(?P<y>.)(?P=y){9}"):
        check_expression(pattern, "f")
    assert regex_matches(r"\d{4}-\d{2}-\d{2}", "2024-05-06", "f")
    assert regex_matches("a.b", "a\nb", "f") and not regex_matches("a.b", "xa\nb", "f")

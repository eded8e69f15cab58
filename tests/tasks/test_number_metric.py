"""Numbers in texts, and their comparison, beside that of lm-evaluation-harness for GSM8K."""

import re
from fractions import Fraction

import pytest

from research.tasks.answers import AnswerParser
from research.tasks.datasets.text_files import after_marker
from research.tasks.metrics.number import number, number_in


@pytest.mark.parametrize(
    "text, value",
    [
        ("18", 18),
        ("18.", 18),
        ("18.00", 18),
        ("1,234,567.50", Fraction("1234567.5")),
        ("$18", 18),
        ("-$18", -18),
        ("$-18", -18),
        ("\u221218 \u00b0C", -18),
        ("18 dollars", 18),
        ("18km", 18),
        ("50%", 50),
        (r"\$1{,}000", 1000),
        (r"\boxed{18}", 18),
        (r"\frac{1}{2}", Fraction(1, 2)),
        ("1/2", Fraction(1, 2)),
        ("1 1/2 cups", Fraction(3, 2)),
        (".5", Fraction(1, 2)),
        ("1.5e3", 1500),
        ("2e-1", Fraction(1, 5)),
        ("10-5", 5),  # a difference
        ("3 - 5", 5),
        ("(-5)", -5),
        ("16, 17 and 18", 18),
        ("18 m2", 18),  # the 2 belongs to the unit
        ("18 m^2", 18),
        ("\u7b54\u6848\u662f18", 18),
        ("\u0661\u0662", 12),  # Arabic digits
        ("**18**", 18),
        ("...18", 18),
        ("-0", 0),
        ("", None),
        ("none", None),
        ("1/0", None),
        ("9" * 301, None),
        ("1e999", None),
        ("1e" + "9" * 200, None),
        ("x2", None),
    ],
)
def test_the_last_number(text: str, value: int | Fraction | None):
    assert number_in(text) == value


def test_equal_numbers_are_right():
    assert number("about 18.0 eggs", ["17", "18"]) == 1
    assert number("0.5", ["1/2"]) == number("1,000", ["1000"]) == 1
    assert number("18", ["19"]) == number("none", ["18"]) == number("", ["18"]) == 0
    # A reference without a number is compared as a text.
    assert number("(a,  b)", ["(a, b)"]) == 1 and number("3", ["x"]) == number("", ["x"]) == 0


def harness(output: str, reference: str, pattern: str, select: int) -> float:
    """lm-evaluation-harness's gsm8k.yaml, version 3: `RegexFilter`, then `exact_match`."""
    matches = re.findall(pattern, output)
    found = "[invalid]"
    if matches:
        match = matches[select]
        found = (match if isinstance(match, str) else [m for m in match if m][0]).strip()
    texts = []
    for text in (found, reference):
        for ignored in (",", r"\$", r"(?s).*#### ", r"\.$"):
            text = re.sub(ignored, "", text)
        texts.append(text.lower())
    return float(texts[0] == texts[1])


def strict(output: str, reference: str) -> float:
    return harness(output, reference, r"#### (\-?[0-9\.\,]+)", 0)


def flexible(output: str, reference: str) -> float:
    return harness(output, reference, r"(-?[$0-9.,]{2,})|(-?[0-9]+)", -1)


def ours(output: str, reference: str, pattern: str | None) -> float:
    parser = AnswerParser(pattern, numeric=True)
    answers = [parser.parse(text).answer for text in (output, reference)]
    return number(answers[0] or "", [answers[1] or ""])


SOLUTION = "16 - 3 - 4 = 9 eggs\n9 * 2 = 18\n#### 18"


@pytest.mark.parametrize(
    "output, right",
    [
        ("9 * 2 = 18\n#### 18", 1),
        ("9 * 2 = 17\n#### 17", 0),
        ("#### 1,8", 1),
        ("#### 18.", 1),
        ("#### -18", 0),
        ("18", 0),
        ("", 0),
    ],
)
def test_strict_match_as_in_the_harness(output: str, right: int):
    assert strict(output, SOLUTION) == right == ours(output, SOLUTION, after_marker("####"))


@pytest.mark.parametrize(
    "output, right",
    [
        ("The answer is 18.", 1),
        ("so she makes $18 every day", 1),
        ("18 dollars", 1),
        ("9 and 18", 1),
        ("18 or 9", 0),
        ("-18", 0),
        ("nothing", 0),
        ("", 0),
    ],
)
def test_flexible_extract_as_in_the_harness(output: str, right: int):
    assert flexible(output, SOLUTION) == right == ours(output, SOLUTION, None)


@pytest.mark.parametrize(
    "output, theirs, number",
    [
        ("18.00", 0, 1),  # compared by value
        ("9-18", 0, 1),  # no minus sign
        ("18 m2", 0, 1),  # of a unit
        ("18...", 0, 1),
    ],
)
def test_where_the_harness_differs(output: str, theirs: int, number: int):
    assert (flexible(output, SOLUTION), ours(output, SOLUTION, None)) == (theirs, number)


def test_the_harness_takes_the_first_marker():
    output = "#### 18\n\nQuestion: and then?\nAnswer: #### 5"
    assert (strict(output, SOLUTION), ours(output, SOLUTION, after_marker("####"))) == (1, 0)

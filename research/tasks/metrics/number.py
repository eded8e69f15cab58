r"""Metric of answers that are numbers, such as those of GSM8K.

The number of a text is its last one, as in lm-evaluation-harness's `flexible-extract` for GSM8K.
Commas between digits, units and trailing zeros do not count. Other than there, numbers are
compared by value ("18.0" is "18", "1/2" is "0.5"), and a digit that follows a Latin letter is no
number ("m2").
"""

from collections.abc import Sequence
from fractions import Fraction

import regex

MOST_CHARACTERS = 300  # of a number; a longer one is none
MOST_EXPONENT = 300

_DECIMAL = r"\d[\d,]*(?:\.\d+)?"
# After a minus that does not subtract, and a currency sign.
_SIGN = r"(?:(?<![\w)\]}])(?P<minus>-))?\p{Sc}?"
_BEGIN = r"(?<![\p{Latin}\p{N}^])(?<!\d\.)"
_NUMBER = regex.compile(
    rf"{_SIGN}(?:"
    rf"\\[dt]?frac\{{(?P<top>{_DECIMAL})\}}\{{(?P<bottom>{_DECIMAL})\}}"
    rf"|{_BEGIN}(?:(?P<whole>\d+) )?(?P<numerator>{_DECIMAL})/(?P<denominator>{_DECIMAL})"
    rf"|{_BEGIN}(?P<decimal>{_DECIMAL}|(?<!\.)\.\d+)(?:[eE](?P<exponent>[-+]?\d+))?"
    r")"
)
# Spellings of LaTeX and of typography: 1{,}000, 1\,000, \$5, the minus sign, thin spaces.
_PLAIN = {"{,}": ",", r"\!": "", r"\,": "", r"\$": "$", "\u2212": "-", "\u202f": "", "\u2009": ""}


def number_in(text: str) -> Fraction | None:
    """The last number of a text; None if it has none."""
    for spelling, plain in _PLAIN.items():
        text = text.replace(spelling, plain)
    values = map(_value, _NUMBER.finditer(text))
    return next((value for value in reversed([*values]) if value is not None), None)


def number(output: str, references: Sequence[str]) -> float:
    """1 where the text has the number of a reference, else 0.

    A reference without a number has to be the text itself, white space aside.
    """
    return float(any(_same(output, reference) for reference in references))


def _same(output: str, reference: str) -> bool:
    expected = number_in(reference)
    if expected is None:
        return output.split() == reference.split()
    return number_in(output) == expected


def _value(match: "regex.Match[str]") -> Fraction | None:
    """The value of a match; None for a division by zero and for a number that is too long."""
    if len(match[0]) > MOST_CHARACTERS or abs(int(match["exponent"] or 0)) > MOST_EXPONENT:
        return None
    if match["decimal"]:
        size = _exact(match["decimal"]) * Fraction(10) ** int(match["exponent"] or 0)
    else:
        divisor = _exact(match["bottom"] or match["denominator"])
        if divisor == 0:
            return None
        size = _exact(match["whole"]) + _exact(match["top"] or match["numerator"]) / divisor
    return -size if match["minus"] else size


def _exact(digits: str | None) -> Fraction:
    """The value of decimal digits; 0 for None."""
    return Fraction(digits.replace(",", "")) if digits else Fraction(0)

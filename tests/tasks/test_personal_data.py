"""What looks like data of a person. None of these is anybody's: numbers are those of manuals."""

import pytest

from research.tasks.data_checks.personal_data import has_card, has_email, has_phone, luhn


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to jo.smith+news@mail.example.org, please", True),
        ("JO@EXAMPLE.COM", True),
        ("meet @home at 5", False),
        ("a@b", False),
        ("x" * 200_000 + "@", False),  # in linear time
    ],
)
def test_addresses(text, found):
    assert has_email(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call (555) 010-4477 now", True),
        ("call 555-010-4477 now", True),
        ("call +44 20 7946 0958", True),
        ("call +1 (555) 010 4477.", True),
        ("+3 goals, 2004-2005", False),
        ("from 1990-1995 and 12-10-2004", False),
        ("ISBN 978-0-306-40615-7", False),
        ("id 5550104477", False),
        ("+1 2 3", False),
    ],
)
def test_phones(text, found):
    assert has_phone(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("paid by 4111 1111 1111 1111 today", True),
        ("paid by 5500-0055-5555-5559", True),
        ("378282246310005", True),
        ("paid by 4111 1111 1111 1112 today", False),
        ("0000000000000000", False),
        ("411111111111", False),  # 12 digits
        ("1.4111111111111111", False),
    ],
)
def test_cards(text, found):
    assert has_card(text) == found


def test_the_check_digit_is_the_one_that_makes_tens():
    """Against the sum as the standard words it; each body has one check digit of ten."""
    for body in range(0, 10**6, 7919):
        right = [digit for digit in "0123456789" if luhn(f"{body}{digit}")]
        total = 0
        for place, digit in enumerate(reversed(str(body))):
            doubled = int(digit) * (2 if place % 2 == 0 else 1)
            total += sum(map(int, str(doubled)))
        assert right == [str(-total % 10)]

"""What in texts looks like data of a person: by form alone, so some of it will be none."""

import re
from collections.abc import Callable, Mapping

# An address as people write it; all that RFC 5321 allows would find far more that is none.
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[a-z0-9-]+\.)+[a-z]{2,}\b", re.IGNORECASE)
# With a country code, or in the groups 3-3-4 of North America.
PHONE = re.compile(
    r"(?<![\w+.-])"
    r"(?:\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}|(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4})"
    r"(?![\w-])"
)
DIGITS = (8, 15)  # of a phone number with its country code, the most of E.164; 10 without one
# 13 to 19 digits (ISO/IEC 7812-1), perhaps in groups; cards of payment begin with 2 to 6.
CARD = re.compile(r"(?<![\w.,+-])[2-6](?:[ -]?\d){12,18}(?![\w-])")


def has_email(text: str) -> bool:
    return "@" in text and EMAIL.search(text) is not None


def has_phone(text: str) -> bool:
    low, high = DIGITS
    return any(low <= len(_digits(one)) <= high for one in PHONE.findall(text))


def has_card(text: str) -> bool:
    return any(luhn(_digits(one)) for one in CARD.findall(text))


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it (ISO/IEC 7812-1, annex B): each
    second digit from the right doubled, 9 taken off what exceeds it, they add up to tens. One
    number in ten does by chance.
    """
    doubled = [2 * int(digit) for digit in digits[-2::-2]]
    total = sum(map(int, digits[-1::-2])) + sum(d - 9 if d > 9 else d for d in doubled)
    return total % 10 == 0


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


KINDS: Mapping[str, Callable[[str], bool]] = {
    "e-mail addresses": has_email,
    "phone numbers": has_phone,
    "card numbers": has_card,
}

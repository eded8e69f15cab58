"""Patterns of personal data; they match by format alone, so false positives occur."""

import re
from collections.abc import Callable, Mapping

# Addresses as commonly written; all of RFC 5321 would match far more false positives.
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@(?:[a-z0-9-]+\.)+[a-z]{2,}\b", re.IGNORECASE)
# With a country code, or in the groups 3-3-4 of North America.
PHONE = re.compile(
    r"(?<![\w+.-])"
    r"(?:\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5}|(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4})"
    r"(?![\w-])"
)
DIGITS = (8, 15)  # of a phone number with country code (E.164: at most 15)
# 13 to 19 digits (ISO/IEC 7812-1), optionally in groups; payment cards begin with 2 to 6.
CARD = re.compile(r"(?<![\w.,+-])[2-6](?:[ -]?\d){12,18}(?![\w-])")


def has_email(text: str) -> bool:
    """Whether the text seems to hold an e-mail address."""
    return "@" in text and EMAIL.search(text) is not None


def has_phone(text: str) -> bool:
    """Whether the text seems to hold a phone number."""
    low, high = DIGITS
    return any(low <= len(_digits(match)) <= high for match in PHONE.findall(text))


def has_card(text: str) -> bool:
    """Whether the text seems to hold a payment card number."""
    return any(luhn(_digits(match)) for match in CARD.findall(text))


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit (ISO/IEC 7812-1, annex B).

    Every second digit from the right is doubled, minus 9 where the result exceeds 9; the sum is a
    multiple of 10. One number in ten passes by chance.
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

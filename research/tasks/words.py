"""Words of texts in any script: one rule for metrics, data checks, TF-IDF and demonstrations.

A word is a run of letters, digits and underscores; in Latin text these are the words of Python's
`\\w+`. As in Unicode's segmentation (UAX 29), the marks after a letter belong to it, and a joiner
without width between letters joins them. Where a script puts no space between words, every letter
with its marks is a word.
"""

import re
from collections.abc import Callable
from functools import cache

import regex

SPACELESS = (
    *("Han", "Hiragana", "Katakana", "Bopomofo", "Yi"),
    *("Thai", "Lao", "Khmer", "Myanmar"),
    *("Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Javanese", "Balinese"),
)

# Includes the signs that such scripts share, without those of Latin text.
_SHARED = "".join(rf"\p{{scx={script}}}" for script in SPACELESS)
_SPACELESS = rf"[[{_SHARED}]&&[\u0e00-\U0010ffff]]"
_MARK = r"[[\p{Mn}\p{Mc}]--\p{Variation_Selector}]"
_LETTERS = r"[\p{L}\p{N}_]"
# Letters and digits that Latin text does not have. Signs that all scripts share, such as the
# superscript 2, are left out, except the sign of a long vowel in Japanese.
_OTHER_LETTERS = r"[[[\p{L}\p{Nl}]--\p{Latin}--\p{Common}][\p{Nd}--[0-9]]ーｰ]"


def _word(letters: str) -> str:
    """The expression for a word of these letters."""
    letter = rf"[{letters}--{_SPACELESS}]"
    run = rf"{letter}(?:{letter}|{_MARK}|[\u200c\u200d](?={letter}))*"
    return rf"{_spaceless(letters)}|{run}"


def _spaceless(letters: str) -> str:
    """The expression for one of these letters that is a word."""
    return rf"[{letters}&&{_SPACELESS}]{_MARK}*"


@cache
def _find(expression: str) -> Callable[[str], list[str]]:
    return regex.compile(expression, regex.VERSION1).findall


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    if text.isascii():
        return re.findall(r"\w+", text)  # the same, faster
    return _find(_word(_LETTERS))(text)


def has_no_spaces(word: str) -> bool:
    """Whether one of the `words` of a text is a letter of a script without spaces."""
    return not word.isascii() and bool(_find(_SPACELESS)(word[0]))


def words_and_punctuation(text: str) -> list[str]:
    """The words of a text and its other characters, each alone, without white space."""
    if text.isascii():
        return re.findall(r"\w+|[^\w\s]", text)
    return _find(rf"{_word(_LETTERS)}|[^\s{_LETTERS}]")(text)


def joined_words(text: str) -> str:
    """The words of a text, with a space in place of all characters between them."""
    if text.isascii():
        return " ".join(words(text))
    return " ".join(_find(rf"(?:{_spaceless(_LETTERS)})+|{_word(_LETTERS)}")(text))


def latin_or_words(text: str, latin: str) -> list[str]:
    """The matches of the expression `latin`, and the words of other scripts, in order.

    For a text without either, such as "à" for an expression of a to z, its words.
    """
    if text.isascii():
        return _find(latin)(text)
    return _find(f"{latin}|{_word(_OTHER_LETTERS)}")(text) or words(text)


def beyond_latin(text: str) -> bool:
    """Whether a text has letters or digits that Latin text does not have."""
    return not text.isascii() and bool(_find(_OTHER_LETTERS)(text))


@cache
def _of_spaceless() -> "regex.Pattern[str]":
    signs = rf"[[\p{{P}}\p{{S}}]&&[{_SPACELESS}\uff00-\uffef]]"
    return regex.compile(rf"{_spaceless(_LETTERS)}|{signs}", regex.VERSION1)


def spaced(text: str) -> str:
    """The text with spaces around the letters and signs of scripts without them."""
    return text if text.isascii() else _of_spaceless().sub(r" \g<0> ", text)

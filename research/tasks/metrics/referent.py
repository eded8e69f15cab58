"""Metric of WSC in the format of T5: whether a text names the referent of a pronoun."""

from collections.abc import Sequence

NOT = "not "  # before a reference that is not the referent

_ARTICLES = {"a", "an", "the", "this", "that", "these", "those"}
_POSSESSIVES = {"my", "your", "his", "her", "our", "their", "whose"}
_QUANTIFIERS = {"which", "each", "every", "few", "many", "much", "some"}


def referent(output: str, references: Sequence[str]) -> float:
    """1 where the text names a reference, or does not name one that follows `NOT`; else 0.

    As in T5's code: case and determiners aside, two texts name the same where all words of one
    stand in the other, unless one of them alone has an apostrophe ("Bob", "Bob's hat"). A text
    without a word is wrong.
    """
    words = _words(output)
    matches = {text: _same(words, _words(text.removeprefix(NOT))) for text in references}
    right = any(same != text.startswith(NOT) for text, same in matches.items())
    return float(bool(words) and right)


def _words(text: str) -> set[str]:
    return set(text.lower().split()) - _ARTICLES - _POSSESSIVES - _QUANTIFIERS


def _same(first: set[str], second: set[str]) -> bool:
    possessive = [any("'" in word for word in words) for words in (first, second)]
    return possessive[0] == possessive[1] and (first <= second or second <= first)

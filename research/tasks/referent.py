"""Whether a text names what a pronoun stands for, the metric of WSC as T5 casts it."""

from collections.abc import Sequence

NOT = "not "  # before a reference: the pronoun stands for something else

_DETERMINERS = frozenset(
    "a an the this that these those my your his her our their which whose each every few many much "
    "some".split()
)


def referent(output: str, references: Sequence[str]) -> float:
    """1 where the text names a reference, or does not name one that follows `NOT`; else 0.

    As in T5's code: case and determiners aside, two texts name the same where all words of one
    stand in the other, unless one of them alone has an apostrophe ("Bob", "Bob's hat"). A text
    without a word is wrong.
    """
    words = _words(output)
    right = (_same(words, _words(one.removeprefix(NOT))) != one.startswith(NOT) for one in references)
    return float(bool(words) and any(right))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.lower().split()) - _DETERMINERS


def _same(first: frozenset[str], second: frozenset[str]) -> bool:
    possessive = [any("'" in word for word in words) for words in (first, second)]
    return possessive[0] == possessive[1] and (first <= second or second <= first)

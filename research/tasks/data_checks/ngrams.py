"""Texts as sets of n-grams, which are numbers, so that they can be compared by the million."""

import re
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

WORDS = re.compile(r"\w+")
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits mixed: 2^64 over the golden ratio


def normal(text: str) -> str:
    """What of a text counts here: its words in lower case, a space between them."""
    return " ".join(WORDS.findall(text.casefold()))


class Vocabulary:
    """Words as numbers, in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def grams(self, texts: Sequence[str], n: int) -> tuple[NDArray, NDArray]:
        """(hashes, rows): one of each for every n words in a row of the texts, see `windows`."""
        words = [text.split() for text in texts]
        numbers = self._numbers
        ids = [numbers.setdefault(word, len(numbers)) for word in chain.from_iterable(words)]
        return windows(np.array(ids, np.uint64), np.array(list(map(len, words)), int), n)


def windows(symbols: NDArray, lengths: NDArray, n: int) -> tuple[NDArray, NDArray]:
    """(hashes [W] uint64, rows [W]) of all runs of n symbols that lie within one row.

    symbols: [sum of lengths], those of the rows one after the other. Hashes are polynomials modulo
    2^64 (Karp & Rabin 1987); different runs share one with a chance of about W^2 / 2^65.
    """
    rows = np.repeat(np.arange(len(lengths)), lengths)
    count = max(len(symbols) - n + 1, 0)
    hashes, symbols = np.zeros(count, np.uint64), mixed(symbols)
    for place in range(n):
        hashes *= FACTOR
        hashes += symbols[place : place + count]
    within = rows[:count] == rows[n - 1 :] if count else np.zeros(0, bool)
    return hashes[within], rows[:count][within]


def mixed(symbols: NDArray) -> NDArray:
    """Whole numbers spread over 64 bits, one to one (splitmix64; Steele et al. 2014)."""
    x = symbols.astype(np.uint64) + FACTOR
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))

"""Hashed n-grams of texts."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from research.tasks.words import joined_words, words

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits mixed: 2^64 over the golden ratio


def normal(text: str) -> str:
    """The words of a text in lower case, joined by spaces where their script has spaces."""
    return joined_words(text.casefold())


class Vocabulary:
    """Word ids, in order of first occurrence."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def grams(self, texts: Sequence[str], n: int) -> tuple[NDArray, NDArray]:
        """(hashes, rows) of all n-grams of words of the texts, as in `windows`."""
        rows, numbers = list(map(words, texts)), self._numbers
        ids = [numbers.setdefault(word, len(numbers)) for word in chain.from_iterable(rows)]
        return windows(np.array(ids, np.uint64), np.array(list(map(len, rows)), int), n)


def windows(symbols: NDArray, lengths: NDArray, n: int) -> tuple[NDArray, NDArray]:
    """(hashes [W] uint64, rows [W]) of all n-grams of symbols within a row.

    Hashes are polynomials modulo 2^64 (Karp & Rabin 1987); the probability of any collision is
    about W^2 / 2^65.

    Args:
      symbols: [sum of lengths], the concatenated rows.
      lengths: of the rows.
      n: symbols of an n-gram.
    """
    rows = np.repeat(np.arange(len(lengths)), lengths)
    count = max(len(symbols) - n + 1, 0)
    hashes, symbols = np.zeros(count, np.uint64), mixed(symbols)
    for offset in range(n):
        hashes *= FACTOR
        hashes += symbols[offset : offset + count]
    within = rows[:count] == rows[n - 1 :] if count else np.zeros(0, bool)
    return hashes[within], rows[:count][within]


def mixed(symbols: NDArray) -> NDArray:
    """Bijective mixing of integers over 64 bits (splitmix64; Steele et al. 2014)."""
    x = symbols.astype(np.uint64) + FACTOR
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))

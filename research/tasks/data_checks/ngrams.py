"""Hashed n-grams of texts."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from research.tasks.words import has_no_spaces, joined_words, words

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits mixed: 2^64 over the golden ratio
INVERSE = np.uint64(pow(int(FACTOR), -1, 1 << 64))
WORD, LETTER = 5, 2  # sizes of a word, and of a letter of a script without spaces


def normal(text: str) -> str:
    """The words of a text in lower case, joined by spaces where their script has spaces."""
    return joined_words(text.casefold())


class Vocabulary:
    """Word ids, in order of first occurrence."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._sizes: list[int] = []

    def grams(self, texts: Sequence[str], n: int) -> tuple[NDArray, NDArray]:
        """(hashes, rows) of all n-grams of words of the texts, as in `windows`.

        A letter of a script without spaces counts as 2/5 of a word, so that 20 letters are as long
        as 8 words. Measured on messages of programs and their translations (74 to 982 messages of
        at least 16 English words): an English word corresponds to 1.6 letters in Chinese, 2.5 in
        Burmese, 2.7 in Japanese, 3.1 in Khmer and 3.7 in Thai. Of the windows of 8 words in half
        of the messages, 4 to 8 % occur in the other half. So do 4, 1, 5, 8 and 7 % of those of 20
        letters, but 9, 4, 14, 16 and 16 % of those of 8 letters.
        """
        rows = list(map(words, texts))
        ids = np.array([self._number(word) for word in chain.from_iterable(rows)], np.int64)
        sizes, lengths = np.array(self._sizes, np.int64), np.array(list(map(len, rows)), int)
        return windows_of_size(ids, sizes[ids], lengths, n * WORD)

    def _number(self, word: str) -> int:
        number = self._numbers.setdefault(word, len(self._numbers))
        if number == len(self._sizes):
            self._sizes.append(LETTER if has_no_spaces(word) else WORD)
        return number


def windows_of_size(
    symbols: NDArray, sizes: NDArray, lengths: NDArray, least: int
) -> tuple[NDArray, NDArray]:
    """(hashes [W] uint64, rows [W]) of the windows that begin at each symbol of a row.

    A window ends with the symbol with which its size reaches `least`; where the row ends before,
    there is no window. Hashes are those of `windows` with the powers in reverse order.

    Args:
      symbols: [N], the concatenated rows.
      sizes: size [N] of each symbol, positive.
      lengths: of the rows.
      least: minimum size of a window.
    """
    total = np.concatenate([[0], np.cumsum(sizes)])
    ends = np.searchsorted(total, total[:-1] + least)  # index after the last symbol
    rows = np.repeat(np.arange(len(lengths)), lengths)
    begins = np.flatnonzero(ends <= np.cumsum(lengths)[rows])
    exponents = np.arange(len(symbols), dtype=np.uint64)
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed(symbols) * FACTOR**exponents)])
    # FACTOR is odd, so it has an inverse modulo 2^64.
    hashes = (sums[ends[begins]] - sums[begins]) * INVERSE ** exponents[begins]
    return hashes, rows[begins]


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

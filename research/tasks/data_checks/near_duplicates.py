"""Near duplicates among many texts."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from research.tasks.data_checks.ngrams import windows

WIDTH = 5  # characters of a shingle
ALIKE = 0.8  # minimum Jaccard index of the shingles of near duplicates, see below
READ = (100, 1000)  # minimum and maximum number of characters of a text that are compared
HELD = 20_000_000  # maximum number of characters of all texts, whose shingles take 50 bytes each
MOST_COMPARED = (
    50  # maximum number of later texts with the same shingle that a text is compared with
)
CHUNK = 20_000  # pairs compared at a time


def alike(texts: Sequence[str]) -> NDArray:
    """Pairs [P, 2] of indices, in increasing order, of different texts that are near duplicates.

    Near duplicates share at least 80 % (Jaccard index) of the 5-character shingles of their first
    1,000 characters. With more than 20,000 texts fewer characters are compared, to bound memory.

    The threshold is that of Lee et al. 2022 (arXiv 2107.06499, section 4.2), who use 5-word
    shingles of web pages; sentences are too short for those. They find pairs by MinHash. Here, two
    sets with such an index must share one of their rarest shingles, a fifth of each set (the prefix
    filter: Chaudhuri et al. 2006; Bayardo et al. 2007), so no pair is missed by chance. If a
    shingle is among the rarest of more than 50 texts, each is compared with the next 50.
    """
    items, rows, sizes = _shingles(texts)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rank = np.arange(len(items)) - starts[rows]
    prefix = sizes - np.ceil(ALIKE * sizes - 1e-9).astype(int) + 1
    pairs = _candidates(items, rows, rank < prefix[rows], sizes)
    duplicates = [
        chunk[_likeness(chunk, items, starts, sizes) >= ALIKE - 1e-9] for chunk in _parts(pairs)
    ]
    return np.concatenate([np.zeros((0, 2), int), *duplicates])


def _shingles(texts: Sequence[str]) -> tuple[NDArray, NDArray, NDArray]:
    """(items [N], rows [N], sizes [I]): the distinct shingles of each text, the rarest first.

    A shingle is a number that is smaller for rarer ones.
    """
    least, most = READ
    length = min(max(HELD // max(len(texts), 1), least), most)
    read = [text[:length] for text in texts]
    symbols = np.frombuffer("".join(read).encode("utf-32-le"), np.uint32)
    hashes, rows = windows(symbols, np.array(list(map(len, read)), int), WIDTH)
    _, dense, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    keys = np.unique((rows.astype(np.int64) << 32) | rank[dense])
    rows = keys >> 32
    return keys & 0xFFFFFFFF, rows, np.bincount(rows, minlength=len(texts))


def _candidates(items: NDArray, rows: NDArray, chosen: NDArray, sizes: NDArray) -> NDArray:
    """Pairs [C, 2] of texts that share a chosen shingle and whose sizes allow a near duplicate."""
    items, rows = items[chosen], rows[chosen]
    order = np.argsort(items, kind="stable")
    items, rows = items[order], rows[order]
    codes = [np.zeros(0, np.int64)]
    for distance in range(1, MOST_COMPARED + 1):
        first = np.flatnonzero(items[:-distance] == items[distance:])
        if not len(first):
            break
        a, b = rows[first], rows[first + distance]
        small, large = np.minimum(sizes[a], sizes[b]), np.maximum(sizes[a], sizes[b])
        possible = small >= ALIKE * large - 1e-9
        codes.append(np.unique((a[possible] << 32) | b[possible]))
    pairs = np.unique(np.concatenate(codes))
    return np.stack([pairs >> 32, pairs & 0xFFFFFFFF], axis=1)


def _parts(pairs: NDArray) -> Iterator[NDArray]:
    for begin in range(0, len(pairs), CHUNK):
        yield pairs[begin : begin + CHUNK]


def _likeness(pairs: NDArray, items: NDArray, starts: NDArray, sizes: NDArray) -> NDArray:
    """Jaccard index [C] of each pair."""
    sides = [_gathered(pairs[:, side], items, starts, sizes) for side in (0, 1)]
    both = np.concatenate(sides)
    both.sort()
    shared = both[1:][both[1:] == both[:-1]] >> 32
    common = np.bincount(shared, minlength=len(pairs))
    return common / (sizes[pairs].sum(1) - common)


def _gathered(texts: NDArray, items: NDArray, starts: NDArray, sizes: NDArray) -> NDArray:
    """The shingles of these texts; the upper 32 bits are the index of the text."""
    counts = sizes[texts]
    owner = np.repeat(np.arange(len(texts)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    return (owner << 32) | items[starts[texts][owner] + within]

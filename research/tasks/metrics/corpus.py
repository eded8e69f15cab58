"""Metrics of a whole test set, by sacrebleu: BLEU and chrF add up counts before they divide."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CORPUS_METRICS = ("bleu", "chrf")


def corpus_score(
    name: str, outputs: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, NDArray]:
    """(the score of all texts, [I]: the score without each of them), 0 to 1.

    references: one or more for each of the outputs.
    """
    counts = _counts(name, tuple(outputs), tuple(map(tuple, references)))
    score, total = _metric(name)._compute_score_from_stats, counts.sum(axis=0)
    without = [score((total - one).tolist()).score for one in counts]
    return score(total.tolist()).score / 100, np.array(without) / 100


@functools.cache
def _metric(name: str) -> Any:
    """BLEU (Papineni et al. 2002) with the tokens of mteval-v13a and exponential smoothing, or
    chrF2 (Popovic 2015) with characters up to six.
    """
    from sacrebleu.metrics.bleu import BLEU  # a tenth of a second, and few tasks need it
    from sacrebleu.metrics.chrf import CHRF

    # `force` takes texts whose last full stop stands apart.
    return BLEU(force=True) if name == "bleu" else CHRF()


@functools.lru_cache(maxsize=32)
def _counts(name: str, outputs: tuple[str, ...], references: tuple[tuple[str, ...], ...]):
    """[I, K]: what each text adds to the counts, the statistics that sacrebleu resamples."""
    most = max(map(len, references))
    # A text with fewer references has None in the later ones.
    lines = [
        [one[place] if place < len(one) else None for one in references] for place in range(most)
    ]
    found = _metric(name)._extract_corpus_statistics(outputs, lines)
    return np.array(found)

"""Metrics of a whole test set, by sacrebleu: BLEU and chrF add up counts before they divide."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from research.tasks.words import spaced

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

CORPUS_METRICS = ("bleu", "chrf")


@functools.cache
def _metric(name: str) -> "BLEU | CHRF":
    """BLEU (Papineni et al. 2002) with mteval-v13a tokenization and exponential smoothing, or
    chrF2 (Popovic 2015) with character n-grams up to six.

    For BLEU, characters of scripts without spaces are words, as in sacrebleu's tokenizer "zh".
    """
    from sacrebleu.metrics.bleu import BLEU  # here: few tasks need it
    from sacrebleu.metrics.chrf import CHRF

    # `force` silences the warning about texts whose last full stop is tokenized already.
    return BLEU(force=True) if name == "bleu" else CHRF()


def has_four_words(text: str) -> bool:
    """Whether BLEU, of n-grams up to four words, can be above 0 for this text alone."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return len(Tokenizer13a()(spaced(text)).split()) >= 4


def corpus_score(
    name: str, outputs: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[float, NDArray]:
    """Score of all texts and the scores [I] with each text left out, from 0 to 1.

    Args:
      name: in `CORPUS_METRICS`.
      outputs: I generated texts.
      references: one or more per output.
    """
    counts = _counts(name, tuple(outputs), tuple(map(tuple, references)))
    score, total = _metric(name)._compute_score_from_stats, counts.sum(axis=0)
    without = [score((total - item).tolist()).score for item in counts]
    return score(total.tolist()).score / 100, np.array(without) / 100


@functools.lru_cache(maxsize=32)
def _counts(name: str, outputs: tuple[str, ...], references: tuple[tuple[str, ...], ...]):
    """The n-gram counts of each text [I, K], as sacrebleu resamples them."""
    if name == "bleu":
        outputs = tuple(map(spaced, outputs))
        references = tuple(tuple(map(spaced, row)) for row in references)
    most = max(map(len, references))
    # A text with fewer references has None in the later ones.
    lines = [[row[i] if i < len(row) else None for row in references] for i in range(most)]
    statistics = _metric(name)._extract_corpus_statistics(outputs, lines)  # pyright: ignore
    return np.array(statistics)

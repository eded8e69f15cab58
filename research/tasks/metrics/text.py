"""Metrics of one text against its references: 0 to 1, the best reference counts.

Latin text is split as each metric defines it, other text into the words of `research.tasks.words`.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

from research.tasks.words import beyond_latin, latin_or_words, words

TextMetric = Callable[[str, Sequence[str]], float]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact_match(output: str, references: Sequence[str]) -> float:
    """1 where the text is a reference, white space aside; case and punctuation count."""
    return float(
        " ".join(output.split()) in {" ".join(reference.split()) for reference in references}
    )


def f1(output: str, references: Sequence[str]) -> float:
    """F1 of the bag of words, as for SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1):
    without case, punctuation and articles. Two texts without a word are equal.
    """
    return max(_overlap(_plain_words(output), _plain_words(reference)) for reference in references)


def rouge_l(output: str, references: Sequence[str]) -> float:
    """F with beta = 1 of the longest common subsequence of words (Lin 2004, W04-1013, section 3.1).

    Words as in the package rouge-score: runs of a-z and 0-9 of the lower-cased text, no stems.
    """
    return max(_subsequence_f(_words(output), _words(reference)) for reference in references)


def _overlap(output: list[str], reference: list[str]) -> float:
    if not output or not reference:
        return float(output == reference)
    common = (Counter(output) & Counter(reference)).total()
    return 2 * common / (len(output) + len(reference))


def _plain_words(text: str) -> list[str]:
    parts = _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()
    return [word for part in parts for word in (words(part) if beyond_latin(part) else [part])]


def _words(text: str) -> list[str]:
    return latin_or_words(text.lower(), "[a-z0-9]+")


def _subsequence_f(output: list[str], reference: list[str]) -> float:
    """2 L / (m + n): the F of precision L / m and recall L / n."""
    if not output or not reference:
        return 0.0
    row = [0] * (len(reference) + 1)
    for word in output:
        diagonal = 0
        for column, other in enumerate(reference, start=1):
            above = row[column]
            row[column] = diagonal + 1 if word == other else max(above, row[column - 1])
            diagonal = above
    return 2 * row[-1] / (len(output) + len(reference))


TEXT_METRICS: dict[str, TextMetric] = {"exact_match": exact_match, "f1": f1, "rouge_l": rouge_l}

"""Plain text as rows, for the language-model loss of a backbone, adapted or not.

The text a model was made for, predicted worse than before, is what adapting it has cost.
"""

from collections.abc import Sequence

import numpy as np

from research.tasks.encoded import Encoded, padded

# Routes of backbones for which the probability of plain text, token by token, means nothing.
UNDEFINED = {
    "seq2seq": "a T5 fills gaps or answers: it gives plain text no probability",
    "masked": "a masked language model gives plain text no probability",
    "head": "a classification head stands in place of the language model's",
}


def passages(stream: Sequence[int], lengths: Sequence[int]) -> Encoded:
    """The stream of ids cut into rows of these lengths, one after another, as far as it goes."""
    ends = [end for end in np.cumsum(lengths) if end <= len(stream)]
    begins = [0, *ends[:-1]]
    return plain_rows([stream[a:b] for a, b in zip(begins, ends, strict=False)])


def plain_rows(texts: Sequence[Sequence[int]]) -> Encoded:
    """Rows of ids, in which all tokens but a row's first are targets."""
    tokens, length = padded(texts)
    nothing = np.zeros(len(texts), np.int32)
    return Encoded(tokens, length, np.minimum(length, 1), nothing, cut=0)

"""A predictor whose texts are fixed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from research.evaluation.batched_model import BatchReport, ignore_batches
from research.evaluation.decoding.generated import Generated
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import pad_rows
from tests import films


@dataclass(frozen=True)
class FixedTexts:
    """Generates a text for each seed and row; an empty text has no finite score."""

    texts: Mapping[int, Sequence[str]]
    calls: list[tuple[int, Decoding]] = field(default_factory=list)
    report: BatchReport = ignore_batches

    def loss(self, weights, prompts, batch_size: int = 8) -> float:
        self.report(len(prompts.rows.length), len(prompts.rows.length))
        return 0.5

    def generate(
        self, weights, prompts, decoding, *, ends, seed: int = 0, automaton=None
    ) -> Generated:
        self.calls.append((seed, decoding))
        tokenizer, texts = films.tokenizer(), self.texts[seed]
        tokens, length = pad_rows([tokenizer.encode(t, add_special_tokens=False) for t in texts])
        score = np.where(length > 0, -1.0, np.nan).astype(np.float32)
        self.report(1, len(texts))
        self.report(len(texts), len(texts))
        return Generated(tokens, length, score, np.zeros(()))

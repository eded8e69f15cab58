"""Answering by a text: what a backbone generates, and the loss of what it should have written."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from research.common.tokenizer import Tokenizer
from research.evaluation.batch import EncodedPrompts, bucket
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.tasks.encoding.encoded import Encoded
from research.tasks.text_task import TextTask
from research.tasks.texts import ScoredTexts


class Written(NamedTuple):
    """loss: mean negative log-probability of a token of the first reference, in nats. metrics:
    every metric by name, the loss with them.
    """

    texts: ScoredTexts
    loss: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class Writing:
    """Generates as the task's `decoding` says. ending: the ids that follow a text in training; a
    text ends at the last of them, at EOS, and before the first end of the verbalizer.
    """

    task: TextTask
    tokenizer: Tokenizer
    ending: tuple[int, ...]

    def targets(self, encoded: Encoded) -> int:
        """The tokens of the longest target, rounded up."""
        return bucket(encoded.longest_target)

    def depends(self, encoded: Encoded) -> tuple[Any, ...]:
        """What answers depend on beside the rows and the backbone."""
        return (self.task.checksum, *encoded.references)

    def answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> Written:
        """A text for each row, and what it is worth beside the row's references."""
        loss = predictor.loss(weights, prompts, batch_size=32)
        generated = predictor.generate(weights, prompts, self.task.decoding, ends=self._ends)
        lines = zip(np.asarray(generated.tokens), np.asarray(generated.length), strict=True)
        outputs = [self._read(row[:n]) for row, n in lines]
        texts = self.task.judged(outputs, prompts.rows.references)
        return Written(texts, loss, {**texts.metrics(), "loss": loss})

    @property
    def _ends(self) -> tuple[int, ...]:
        last = self.tokenizer.eos_token_id
        # An ending of several tokens ends a text as well, but none of them alone does.
        own = self.ending if len(self.ending) == 1 else ()
        return tuple(dict.fromkeys((*own, *((last,) if isinstance(last, int) else ()))))

    def _read(self, tokens: np.ndarray) -> str:
        text = self.tokenizer.decode(
            tokens.tolist(), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str)  # of one row
        end = self.task.verbalizer.end
        return (text.split(end)[0] if end else text).strip()

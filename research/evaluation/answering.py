"""How a task is answered: by choosing among its labels, by writing a text, or by a number.

All that the kinds differ in stands here: how rows are encoded, how a backbone answers them, and
what the answers are worth.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np

from research.common.tokenizer import Tokenizer
from research.evaluation.batch import EncodedPrompts
from research.evaluation.label_scoring import Scored, measured, target_loss
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.evaluation.text_answers import Writing, Written
from research.tasks.encoding.encoded import Encoded, Labels, LabelTexts
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.number_encoder import NumberEncoder
from research.tasks.encoding.text_encoder import TextEncoder
from research.tasks.metrics.regression import NUMBER_METRICS
from research.tasks.number_task import NumberTask
from research.tasks.task import Task
from research.tasks.text_task import TextTask


class Answering(Protocol):
    """targets: how many target tokens a batch of these rows holds. answers: what the adapted
    backbone answers to each row.
    """

    def targets(self, encoded: Encoded) -> int: ...

    def answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> "Answers": ...


def encoder_for(task: Task, tokenizer: Tokenizer, template: int, **how) -> Encoder:
    """The encoder of a task with one of its templates; `how`: further fields of it."""
    fields = (tokenizer, task.templates[template], task.verbalizer, task.labels)
    if isinstance(task, TextTask):
        return TextEncoder(*fields, most=task.decoding.max_new_tokens, **how)
    if isinstance(task, NumberTask):
        return NumberEncoder(*fields, **how)
    return Encoder(*fields, **how)


def answering_for(task: Task, encoder: Encoder) -> Answering:
    """How rows of that encoder are answered."""
    if isinstance(task, TextTask) and isinstance(encoder, TextEncoder):
        return Writing(task, encoder.tokenizer, encoder.ending)
    if isinstance(task, NumberTask):
        return Estimating(encoder.label_tokens())
    return Choosing(encoder.texts())


@dataclass(frozen=True)
class Choosing:
    """texts: all that are scored for the labels; the first of each label is trained on."""

    texts: LabelTexts

    @cached_property
    def labels(self) -> Labels:
        """The targets that are trained on."""
        _, first = np.unique(self.texts.owner, return_index=True)
        return Labels(*(part[first] for part in self.texts.targets))

    def targets(self, encoded: Encoded) -> int:
        """The tokens of the longest label."""
        del encoded
        return self.labels.tokens.shape[1]

    def answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> Scored:
        """By the targets that are trained on."""
        scores, gold = predictor.scores(weights, prompts, self.labels), prompts.rows.label
        return measured(scores, gold, target_loss(scores, gold, self.labels.length))


class Estimated(NamedTuple):
    """numbers: [I]. loss: mean squared error. metrics: every metric by name, the loss with them."""

    numbers: np.ndarray
    loss: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class Estimating:
    """output: what stands for the labels of a task that has some."""

    output: Labels

    def targets(self, encoded: Encoded) -> int:
        """A number is no token, and yet has a column."""
        del encoded
        return 1

    def depends(self, encoded: Encoded) -> tuple[Any, ...]:
        """What answers depend on beside the rows and the backbone."""
        return (encoded.label,)

    def answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> Estimated:
        """A number for each row."""
        outputs = predictor.scores(weights, prompts, self.output)
        return estimated(outputs[:, 0], prompts.rows.label)


def estimated(numbers: np.ndarray, gold: np.ndarray) -> Estimated:
    """Numbers [I] beside the right ones [I], measured."""
    loss = float(np.mean((numbers - gold) ** 2))
    metrics = {name: metric(numbers, gold)[0] for name, metric in NUMBER_METRICS.items()}
    return Estimated(numbers, loss, {**metrics, "loss": loss})


Answers = Scored | Written | Estimated

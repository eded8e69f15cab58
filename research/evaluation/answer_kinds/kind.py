"""The protocol of an answer kind: all that differs among labels, texts and numbers."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

from research.common.tokenizer import Tokenizer
from research.evaluation.baselines import Fitted, FittedTexts
from research.evaluation.batch import EncodedPrompts
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.runtime.executable import Call
from research.tasks.encoding.encoded import Encoded, Normalisation
from research.tasks.encoding.encoder import Encoder
from research.tasks.example import Example


class Answers(Protocol):
    """The answers to a split.

    Attributes:
        loss: loss of the right answers under the model; NaN where it gives no probabilities.
        metrics: every metric by name, and the loss.
        not_finite: number of rows whose scores are not finite; such a row has no answer.
    """

    @property
    def loss(self) -> float: ...

    @property
    def metrics(self) -> dict[str, float]: ...

    @property
    def not_finite(self) -> int: ...


FittedBaseline = tuple[Fitted | FittedTexts, Callable[[Sequence[Example]], Answers]]


class Answerer(Protocol):
    """Answers encoded prompts with an adapted backbone."""

    def target_width(self, rows: Encoded) -> int:
        """Target tokens of a row in the training batches of these rows."""
        ...

    def training_answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> Answers:
        """Answers by the targets that training uses, uncalibrated."""
        ...

    def answers(
        self,
        predictor: Predictor,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        normalisation: Normalisation,
    ) -> Answers:
        """Answers as they are recorded; label scores are normalised and calibrated."""
        ...

    def calls(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> list[Call]:
        """The calls of compiled programs that `answers` makes, as far as they can be predicted."""
        ...


class AnswerKind(Protocol):
    """How a task is answered: by a label, a text or a number.

    Attributes:
        name: the name of the kind.
    """

    name: ClassVar[str]

    @property
    def head_outputs(self) -> int:
        """Outputs of a classification head for the task; 0 where a head cannot answer it."""
        ...

    def encoder(self, tokenizer: Tokenizer, template: int, **options: Any) -> Encoder:
        """The encoder for one of the task's templates; `options` are further fields of it."""
        ...

    def answerer(self, encoder: Encoder) -> Answerer:
        """Answers the rows of one of the kind's encoders."""
        ...

    def ensemble(self, members: Sequence[Any], rows: Encoded) -> Answers:
        """The answers of an ensemble of prompts, from those of its members."""
        ...

    def fit_baseline(self, fit: Callable[..., Any], train: Sequence[Example]) -> FittedBaseline:
        """A baseline fitted by `fit`, see `Baseline`, and the function that answers examples."""
        ...

    def constant_scores(self, train: Encoded, dev: Encoded) -> dict[str, float]:
        """Dev scores of giving every example the same answer, by a description of the answer."""
        ...

    def prediction_fields(self, examples: Sequence[Example], answers: Any) -> dict[str, Any]:
        """The fields of the stored predictions for answers to these examples."""
        ...

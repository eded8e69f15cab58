"""The protocol of an answer kind: all that differs among labels, texts, numbers and choices."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.evaluation.baselines import Fitted, FittedTexts
from research.evaluation.batch import EncodedPrompts
from research.evaluation.choice_baselines import FittedChoices
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.runtime.executable import Call
from research.tasks.encoding.encoded import Encoded, Normalisation, RowChoices
from research.tasks.encoding.encoder import Encoder
from research.tasks.example import Example


class Answers(Protocol):
    """The answers to a split.

    Attributes:
        loss: loss of the right answers under the model; NaN where it gives no probabilities.
        metrics: every metric by name, and the loss.
        not_finite: number of rows whose scores are not finite; such a row has no answer.
        timeouts: number of generated texts in which the search for the answer took too long.
    """

    @property
    def loss(self) -> float: ...

    @property
    def metrics(self) -> dict[str, float]: ...

    @property
    def not_finite(self) -> int: ...

    @property
    def timeouts(self) -> int: ...


def no_choices() -> InputError:
    """The error of answers that are not chosen by their scores."""
    allowed = "the task's answers are not chosen among labels or choices by their scores"
    return InputError("schedule.objective", "choices", allowed)


SHORT_REPLY = 16  # tokens of a reply with a label or a number

FittedBaseline = tuple[Fitted | FittedTexts | FittedChoices, Callable[[Sequence[Example]], Answers]]


class ExternalAnswer(NamedTuple):
    """The answer of an external model to one example.

    Attributes:
        text: the answer as `AnswerKind.parse_answer` returns it; None for no answer.
        label_logprobs: log-probability of each label, by label; None where they are not known.
        prompt_tokens: tokens before the answer; None where they are not known.
        answer_tokens: tokens of the answer; None where they are not known.
        price: price of the answer; None where it is not known.
        seconds: seconds of answering; None where they are not known.
    """

    text: str | None
    label_logprobs: Mapping[str, float] | None = None
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    price: float | None = None
    seconds: float | None = None


class Answerer(Protocol):
    """Answers encoded prompts with an adapted backbone."""

    def target_width(self, rows: Encoded) -> int:
        """Target tokens of a row in the training batches of these rows."""
        ...

    def choices(self, rows: Encoded) -> RowChoices:
        """The choices of each row, against which its right one can be trained.

        Raises InputError for answers that are not chosen by their scores.
        """
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
    """How a task is answered: by a label, a text, a number or one of an item's own choices.

    Attributes:
        name: the name of the kind.
        generates: whether answers are generated texts, or found in them.
    """

    name: ClassVar[str]
    generates: ClassVar[bool]

    @property
    def head_outputs(self) -> int:
        """Outputs of a classification head for the task; 0 where a head cannot answer it."""
        ...

    def examples(self, examples: Sequence[Example]) -> Sequence[Example]:
        """The examples as they are trained on, demonstrated and scored."""
        ...

    def encoder(self, tokenizer: Tokenizer, template: int, **options: Any) -> Encoder:
        """The encoder for one of the task's templates; `options` are further fields of it."""
        ...

    def answerer(self, encoder: Encoder, seed: int = 0) -> Answerer:
        """Answers the rows of one of the kind's encoders; `seed` is that of sampled texts."""
        ...

    def ensemble(self, members: Sequence[Any], rows: Encoded) -> Answers:
        """The answers of an ensemble of prompts, from those of its members."""
        ...

    def fit_baseline(self, fit: Callable[..., Any], train: Sequence[Example]) -> FittedBaseline:
        """A baseline fitted by `fit`, see `Baseline`, and the function that answers examples."""
        ...

    @property
    def most_reply_tokens(self) -> int:
        """Most tokens of a reply that an external model is asked for."""
        ...

    def parse_answer(self, text: str, reply: bool = False) -> str | None:
        """The answer that a text of an external model is; None if it is none.

        Args:
            text: the text.
            reply: whether it is the free reply of a model, which may differ from the text of a
                label in case and surrounding punctuation.
        """
        ...

    def allowed_answers(self, text: str) -> str:
        """The answers that are allowed, to explain why `text` is none."""
        ...

    def judge(self, answers: Sequence[ExternalAnswer], examples: Sequence[Example]) -> Answers:
        """The scored answers of an external model, one for each example."""
        ...

    def constant_scores(self, train: Encoded, dev: Encoded) -> dict[str, float]:
        """Dev scores of giving every example the same answer, by a description of the answer."""
        ...

    def prediction_fields(self, examples: Sequence[Example], answers: Any) -> dict[str, Any]:
        """The fields of the stored predictions for answers to these examples."""
        ...

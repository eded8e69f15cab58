"""Parts of a run record: evaluations, notes and further results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from research.stats.groups import GroupScore
from research.tasks.task import MetricWords


class Evaluation(NamedTuple):
    """One evaluation during training.

    Attributes:
        step: number of training steps of the stage so far.
        train_loss: mean training loss since the evaluation before; None where it is not finite.
        dev_score: the task's metric on dev.
        dev_loss: loss on dev.
    """

    step: int
    train_loss: float | None
    dev_score: float | None
    dev_loss: float | None


@dataclass(frozen=True)
class SoftPromptNote:
    """The trained soft prompt compared with the token embeddings; None for non-finite numbers.

    Attributes:
        nearest: for each vector the tokens with the largest cosine; None for an id without a token.
        cosine: their cosines.
        norms: norm of each vector.
        vocabulary_norms: 5th, 50th and 95th percentile of the norms of token embeddings.
    """

    nearest: tuple[tuple[str | None, ...], ...]
    cosine: tuple[tuple[float | None, ...], ...]
    norms: tuple[float | None, ...]
    vocabulary_norms: tuple[float | None, ...]


@dataclass(frozen=True)
class Notes:
    """Facts about the data and the training of a run.

    Attributes:
        n_dev: number of dev examples.
        dropped: training examples left out since their text is in dev or test.
        demonstrations: demonstrations in each prompt.
        cut: texts truncated to fit the context.
        cut_beside_test: the same for further test splits, by split.
        steps: steps of each stage until training stopped.
        best_step: the step of each stage whose parameters were kept.
        not_finite: examples whose scores are not finite (NaN or infinite), by split; they have no
            answer and count as wrong. Splits without such examples are left out.
        timeouts: generated texts in which the search for the answer took too long, by split; they
            have no answer. Splits without such texts are left out.
        not_learned: a sentence where the dev score is no better than without training.
        prompt: description of the trained soft prompt.
        bos: whether BOS stands before each row; None where the backbone is no decoder.
        metric_words: words that text metrics count; None where no answer is a text.
    """

    n_dev: int
    dropped: int = 0
    demonstrations: int = 0
    cut: int = 0
    cut_beside_test: Mapping[str, int] = field(default_factory=dict)
    steps: tuple[int, ...] = ()
    best_step: tuple[int, ...] = ()
    not_finite: Mapping[str, int] = field(default_factory=dict)
    timeouts: Mapping[str, int] = field(default_factory=dict)
    not_learned: str | None = None
    prompt: SoftPromptNote | None = None
    bos: bool | None = None
    metric_words: MetricWords | None = None


@dataclass(frozen=True)
class DataChecksums:
    """Checksums of the task's data and of the run's train and dev examples."""

    task_checksum: str
    split_checksum: str


@dataclass(frozen=True)
class BackboneReference:
    """The backbone of a run.

    Attributes:
        name: a folder or hub id.
        checksum: checksum of its files.
        parameters: number of its parameters; None where it was not recorded.
    """

    name: str
    checksum: str
    parameters: int | None = None


@dataclass(frozen=True)
class Robustness:
    """How evenly a run does over the test items.

    Attributes:
        groups: score of each group of test items, by kind of group and name.
        paraphrases: share of predictions that stay the same on paraphrased inputs.
    """

    groups: Mapping[str, Mapping[str, GroupScore]] = field(default_factory=dict)
    paraphrases: float | None = None


@dataclass(frozen=True)
class Forgetting:
    """Losses on plain text, in nats per token; or the reason why there are none.

    Attributes:
        before: loss of the unadapted backbone on held-out text.
        after: loss of the adapted backbone on the same text.
        removable: whether removing the method's own parameters restores the backbone.
        task: loss of the unadapted backbone on the task's inputs.
        as_long: its loss on held-out passages of the same lengths.
        undefined: why no loss is defined.
    """

    before: float | None = None
    after: float | None = None
    removable: bool | None = None
    task: float | None = None
    as_long: float | None = None
    undefined: str | None = None

    @property
    def rise(self) -> float | None:
        """By how much the loss on held-out text has risen; None where it was not measured."""
        return None if self.before is None or self.after is None else self.after - self.before

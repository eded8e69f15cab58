"""The splits of a task's data, by their use."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from research.common.errors import InputError
from research.tasks.lm_eval.config import TaskConfig
from research.tasks.lm_eval.document import Row

if TYPE_CHECKING:
    from research.tasks.lm_eval.source import LMEvalTask


@dataclass(frozen=True)
class UsedSplits:
    """Names of splits by their use.

    Attributes:
      train: split to train on.
      dev: split to tune on; None draws dev from train.
      test: split that is evaluated.
      fewshot: split of the demonstrations; None without demonstrations.
      samples: demonstrations that the file itself holds, in place of `fewshot`.
      excludes: whether the harness leaves the row itself out of its demonstrations.
    """

    train: str
    dev: str | None
    test: str
    fewshot: str | None
    samples: Sequence[Row] | None
    excludes: bool

    @property
    def names(self) -> list[str]:
        """The splits that are read."""
        names = (self.train, self.dev, self.test, self.fewshot)
        return [name for name in names if name is not None]


def used_splits(settings: "LMEvalTask", config: TaskConfig) -> UsedSplits:
    """The splits by our protocol.

    Raises InputError for a task without a split to test or to train on, and for a split to train
    on, or to take demonstrations from, that is evaluated.
    """
    test = config.test
    if test is None:
        raise InputError(
            "test_split", None, "the task file names neither test nor validation split"
        )
    train = settings.training_split or config.training_split
    if train is None:
        others = [
            name for name in (config.validation_split, _fewshot(config)) if name not in (None, test)
        ]
        hint = f", such as {others[0]}" if others else ""
        allowed = (
            "the task has no data to train on, so it can only be prompted; name a split of its "
            f"data that is not evaluated{hint}"
        )
        raise InputError("training_split", None, allowed)
    if train == test:
        raise InputError("training_split", train, "it is the split that is evaluated")
    validation = config.validation_split if config.test_split else None
    fewshot, samples = None, None
    if settings.num_fewshot:
        samples = config.fewshot_config.get("samples") if _fewshot(config) is None else None
        fewshot = None if samples is not None else _demonstration_split(config)
        if fewshot == test:
            allowed = f"its demonstrations are rows of {test}, which is evaluated"
            raise InputError("num_fewshot", settings.num_fewshot, allowed)
    return UsedSplits(
        train=train,
        dev=validation if validation != train else None,
        test=test,
        fewshot=fewshot,
        samples=samples,
        excludes=_fewshot(config) == config.test_split,
    )


def _fewshot(config: TaskConfig) -> str | None:
    """The split of the demonstrations that the file names."""
    return config.fewshot_config.get("split") or config.fewshot_split


def _demonstration_split(config: TaskConfig) -> str | None:
    """The split of the demonstrations: the named one, or that of training, or of validation."""
    return _fewshot(config) or config.training_split or config.validation_split or config.test

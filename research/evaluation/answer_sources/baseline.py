"""Baselines as answer sources."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from research.evaluation.answer_kinds.kind import FittedBaseline
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.answer_sources.source import ScoredAnswers
from research.evaluation.baselines import BASELINES
from research.tasks.example import Example
from research.tasks.sampling import Split
from research.tasks.task import Task


@dataclass(frozen=True)
class BaselineSource:
    """A fitted baseline, which answers every split."""

    fitted: FittedBaseline

    @property
    def costs(self) -> Mapping[str, Any]:
        trained, _ = self.fitted
        return {
            "trained_params": trained.trained_params,
            "stored_bytes": trained.stored_bytes,
            "train_seconds": trained.seconds,
            "added_tokens": 0,
        }

    @property
    def demonstrations(self) -> int:
        return 0

    def answer(self, split: str, examples: Sequence[Example]) -> ScoredAnswers:
        del split
        _, answer = self.fitted
        begun = time.perf_counter()
        answers = answer(examples)
        return ScoredAnswers(answers, time.perf_counter() - begun)


def fit_baseline(
    name: str, options: Mapping[str, float], task: Task, split: Split
) -> BaselineSource:
    """The baseline fitted to the texts of the split, or of the pool, without a prompt.

    Fitting is quick and deterministic.
    """
    baseline = BASELINES[name]
    train = task.pools.train if baseline.constant else split.train
    return BaselineSource(answer_kind(task).fit_baseline(partial(baseline.fit, **options), train))

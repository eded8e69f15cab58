"""Progress of a run's scoring, over all splits that it scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from research.tasks.encoding.encoded import Encoded
from research.training.member import MemberProgress


@dataclass(frozen=True)
class ScoringProgress:
    """Progress after a batch.

    Attributes:
        split: the split that is scored, or plain text.
        rows: number of its rows that are scored, content-free prompts included.
        total: number of its rows.
        share: share of the run's scoring that is done; None where it is not known.
    """

    split: str
    rows: int
    total: int
    share: float | None = None


ScoringReport = Callable[[ScoringProgress], None]


def ignore_scoring(progress: ScoringProgress) -> None:
    """A `ScoringReport` that does nothing."""
    del progress


class RunReport(Protocol):
    """Takes the progress of runs that are executed together."""

    def training(self, step: int, members: Sequence[MemberProgress]) -> None:
        """A step is done: the first, or one after which dev was scored."""
        ...

    def scoring(self, progress: ScoringProgress) -> None:
        """A batch is scored."""
        ...


def report_of_run(report: ScoringReport, index: int, runs: int) -> ScoringReport:
    """A report for run number `index` of several that are scored one after another."""

    def scored(progress: ScoringProgress) -> None:
        share = progress.share
        report(replace(progress, share=None if share is None else (index + share) / runs))

    return scored


class ScoringCounter:
    """Counts the rows of all splits that are scored one after another.

    Args:
        splits: the rows of each split, encoded for each prompt, in the order of scoring.
        report: called after each batch.
    """

    def __init__(self, splits: Sequence[Sequence[Encoded]], report: ScoringReport):
        self.tokens = sum(_tokens(rows) for rows in splits)
        self.done, self.report = 0, report

    def begin(self, split: str, rows: Sequence[Encoded]) -> Callable[[int, int], None]:
        """A report for the predictor of a split; the splits before it are done."""
        total = sum(len(part.length) for part in _parts(rows))
        before, finished = self.done, 0
        self.done += (tokens := _tokens(rows))

        def scored(count: int, of_pass: int) -> None:
            nonlocal finished
            done = finished + count
            share = (before + tokens * done / total) / self.tokens
            finished += of_pass if count == of_pass else 0
            self.report(ScoringProgress(split, done, total, share))

        return scored


def _parts(rows: Sequence[Encoded]) -> list[Encoded]:
    """The rows for each prompt, and their content-free prompts."""
    return [part for encoded in rows for part in (encoded, *encoded.neutral)]


def _tokens(rows: Sequence[Encoded]) -> int:
    """Tokens of the rows, which the seconds of scoring are about proportional to."""
    return sum(int(part.length.sum()) for part in _parts(rows))

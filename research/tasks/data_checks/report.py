"""The report of the data checks: counts and row numbers, by split."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MOST_ROW_NUMBERS = 10  # maximum number of row numbers in a report


@dataclass(frozen=True)
class FlaggedRows:
    """Rows of a split that a check flags.

    Attributes:
      count: number of rows.
      rows: numbers of the first rows, from 1.
    """

    count: int = 0
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Lengths:
    """Prompt lengths in tokens, with the first template and without demonstrations.

    Attributes:
      median: of the lengths.
      high: 95th percentile.
      longest: maximum.
      most: maximum that fits.
      over: prompts longer than `most`.
    """

    median: float
    high: float
    longest: int
    most: int
    over: FlaggedRows = FlaggedRows()


@dataclass(frozen=True)
class SplitReport:
    """Checks of a split.

    Attributes:
      rows: number of rows.
      labels: rows per label.
      repeated: rows whose text repeats an earlier row.
      conflicting: rows whose words occur in the task with another label.
      nearly: rows with a near duplicate (see `alike`) of another label.
      personal: rows that seem to hold personal data, by kind (see `KINDS`).
      shared: rows of a test split whose text occurs in train or dev.
      grams: rows of a test split with an 8-gram of words that occurs in train or dev; in scripts
        without spaces 20 letters are an 8-gram, see `Vocabulary.grams`.
      mostly: rows of a test split with at least 70 % of their 8-grams in train or dev.
      lengths: of the prompts.
      skipped: rows of the source that are no examples since a cell is empty.
    """

    rows: int
    labels: Mapping[str, int] = field(default_factory=dict)
    repeated: FlaggedRows = FlaggedRows()
    conflicting: FlaggedRows = FlaggedRows()
    nearly: FlaggedRows = FlaggedRows()
    personal: Mapping[str, FlaggedRows] = field(default_factory=dict)
    shared: FlaggedRows = FlaggedRows()
    grams: FlaggedRows = FlaggedRows()
    mostly: FlaggedRows = FlaggedRows()
    lengths: Lengths | None = None
    skipped: FlaggedRows = FlaggedRows()


@dataclass(frozen=True)
class TaskDataReport:
    """Checks of a task.

    Attributes:
      task: name of the task.
      checksum: of the task.
      parts: checks by split.
    """

    task: str
    checksum: str
    parts: Mapping[str, SplitReport]

"""Predicted numbers of a run on the test items, and their CSV files."""

import csv
import io
from dataclasses import dataclass

import numpy as np

from research.common.csv_io import csv_bytes
from research.common.errors import InputError
from research.tasks.metrics.regression import NUMBER_METRICS

COLUMNS = ["item", "gold", "predicted"]


@dataclass(frozen=True)
class NumberPredictions:
    """Predicted numbers.

    Attributes:
        gold: [I], right numbers.
        predicted: [I], predicted numbers.
    """

    gold: np.ndarray
    predicted: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its metrics."""
        return tuple(NUMBER_METRICS)

    def item_scores(self, metric: str) -> None:
        """None: a number is not right or wrong."""
        del metric

    def metrics(self) -> dict[str, float]:
        """Every metric by name."""
        return {name: self.without(name)[0] for name in self.names}

    def without(self, metric: str) -> tuple[float, np.ndarray]:
        """(score, scores [I] without each item; with a single item, its own score)."""
        return NUMBER_METRICS[metric](self.predicted, self.gold)

    def to_csv(self) -> bytes:
        """Header `item,gold,predicted`; numbers with all digits."""
        rows: list[list[object]] = [[*COLUMNS]]
        for item, numbers in enumerate(zip(self.gold, self.predicted, strict=True)):
            rows.append([item, *(repr(float(number)) for number in numbers)])
        return csv_bytes(rows)


def parse_numbers(content: bytes, field: str) -> NumberPredictions:
    """The inverse of `NumberPredictions.to_csv`; an InputError names the file as `field`."""
    try:
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
        if header != COLUMNS or not rows:
            raise ValueError(f"the header must be {','.join(COLUMNS)}, and items below it")
        items, gold, predicted = (np.array(column, float) for column in zip(*rows, strict=True))
        if items.tolist() != list(range(len(items))):
            raise ValueError("items must be numbered 0, 1, 2 and so on")
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InputError(field, str(error), "a CSV file of numbers is expected") from error
    return NumberPredictions(gold, predicted)

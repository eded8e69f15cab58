"""Choices of a run on test items that have their own, and their CSV files."""

import csv
from dataclasses import dataclass

import numpy as np

from research.common.csv_io import csv_bytes, csv_rows, list_cell, parse_lists
from research.common.errors import InputError
from research.tasks.metrics.choice import DIVISORS

CHOICE_COLUMNS = ["item", "gold", "predicted", "choice", "scores", *DIVISORS]
SCORE_DECIMALS = 4


@dataclass(frozen=True)
class ChoicePredictions:
    """The choices of test items.

    Attributes:
        gold: [I], indices of the right choices.
        predicted: [I], indices of the chosen ones; -1 for no answer, an empty cell in the file.
        texts: texts of the chosen ones; "" for no answer.
        scores: scores of each item's choices, by which one is chosen.
        items: [I] whether the answer is right, by each metric of `DIVISORS`.
    """

    gold: np.ndarray
    predicted: np.ndarray
    texts: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    items: dict[str, np.ndarray]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its metrics."""
        return ("accuracy", *self.items)

    @property
    def without_answer(self) -> None:
        """None: choices are scored."""
        return None

    def item_scores(self, metric: str) -> np.ndarray:
        """[I]: whether each answer is right by a metric."""
        if metric in self.items:
            return self.items[metric]
        return (self.predicted == self.gold).astype(float)

    def metrics(self) -> dict[str, float]:
        """Every metric by name."""
        return {name: float(self.item_scores(name).mean()) for name in self.names}

    def without(self, metric: str) -> tuple[float, np.ndarray]:
        """(score, scores [I] without each item; with a single item, its own score)."""
        right = self.item_scores(metric)
        score, count = float(right.mean()), len(right)
        return score, (right.sum() - right) / (count - 1) if count > 1 else np.array([score])

    def to_csv(self) -> bytes:
        """A CSV file with a row per item; scores with four decimals, as a JSON list."""
        rows: list[list[object]] = [[*CHOICE_COLUMNS]]
        for item, (gold, predicted, text, scores) in enumerate(
            zip(self.gold, self.predicted, self.texts, self.scores, strict=True)
        ):
            answer = int(predicted) if predicted >= 0 else ""
            # Adding zero turns -0.0 into 0.0.
            texts = [f"{round(score, SCORE_DECIMALS) + 0.0:.{SCORE_DECIMALS}f}" for score in scores]
            right = [int(self.items[name][item]) for name in DIVISORS]
            rows.append([item, int(gold), answer, text, list_cell(texts), *right])
        return csv_bytes(rows)


def parse_choices(content: bytes, field: str) -> ChoicePredictions:
    """The inverse of `ChoicePredictions.to_csv`; an InputError names the file as `field`."""
    try:
        header, *rows = csv_rows(content)
        if header != CHOICE_COLUMNS or not rows:
            raise ValueError(f"the header must be {','.join(CHOICE_COLUMNS)}, and items below it")
        numbers, gold, predicted, texts, scores, *right = zip(*rows, strict=True)
        if list(numbers) != [str(item) for item in range(len(numbers))]:
            raise ValueError("items must be numbered 0, 1, 2 and so on")
        if any(value not in ("0", "1") for column in right for value in column):
            raise ValueError(f"{', '.join(DIVISORS)} are 0 or 1")
        return ChoicePredictions(
            gold=np.array([int(value) for value in gold]),
            predicted=np.array([int(value) if value else -1 for value in predicted]),
            texts=texts,
            scores=tuple(tuple(map(float, values)) for values in parse_lists(scores)),
            items={name: np.array(c, float) for name, c in zip(DIVISORS, right, strict=True)},
        )
    except (UnicodeDecodeError, csv.Error, TypeError, ValueError) as error:
        raise InputError(field, str(error), "a CSV file of choices is expected") from error

"""Predicted classes of a run on the test items, and their CSV files."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.common.csv_io import csv_bytes, csv_rows, list_cell, parse_lists
from research.common.errors import InputError
from research.records.predictions.texts import GENERATED
from research.tasks.metrics.classification import METRICS

DECIMALS = 4
LABEL_COLUMNS = ["item", "gold", "predicted"]
# With more classes, a file holds two scores per row; all scores would be megabytes per run.
MOST_SCORES = 16
TWO_SCORES = ("score of gold", "score of predicted")
MOST_INDICES = 1_000_000  # indices of items at a time where items are left out one by one


@dataclass(frozen=True)
class LabelPredictions:
    """Predicted classes.

    Attributes:
        labels: names of the classes.
        gold: [I], right classes as indices into `labels`.
        predicted: [I], predicted classes; -1 for no answer, an empty cell in the file.
        scores: [I, C], higher is likelier; [I, 2], of the right and the predicted class, if read
            from a file with more than `MOST_SCORES` classes.
        generated: the texts of each item in which labels were found; none where labels are scored.
    """

    labels: tuple[str, ...]
    gold: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    generated: tuple[tuple[str, ...], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its metrics."""
        return tuple(METRICS)

    @property
    def without_answer(self) -> float | None:
        """Share of the items without a label; None where labels are scored."""
        return float((self.predicted < 0).mean()) if self.generated else None

    def item_scores(self, metric: str) -> np.ndarray:
        """[I]: whether each answer is right, whatever the metric."""
        del metric
        return self.predicted == self.gold

    def metrics(self) -> dict[str, float]:
        """Every metric of `METRICS`, computed from the classes."""
        classes = len(self.labels)
        return {n: float(m(self.predicted, self.gold, classes)) for n, m in METRICS.items()}

    def without(self, metric: str) -> tuple[float, np.ndarray]:
        """(score, scores [I] without each item; with a single item, its own score).

        A metric of `METRICS` counts pairs of gold and predicted, so two items with the same pair
        leave the same score and one deletion per pair is enough.
        """
        score, classes = METRICS[metric], len(self.labels)
        whole = score(self.predicted, self.gold, classes)
        if len(self.gold) < 2:
            return float(whole), np.array([whole])
        pairs = self.gold.astype(np.int64) * (classes + 1) + self.predicted + 1  # -1: no answer
        _, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
        positions, rows = np.arange(len(self.gold) - 1), max(1, MOST_INDICES // len(self.gold))
        without = []
        for deleted in np.split(first[:, None], range(rows, len(first), rows)):
            others = positions + (positions >= deleted)
            without.append(score(self.predicted[others], self.gold[others], classes))
        return float(whole), np.concatenate(without)[inverse]

    def to_csv(self) -> bytes:
        """A CSV file with a row per item: names of classes, and scores with four decimals.

        Header `item,gold,predicted,<label>...`, with `TWO_SCORES` in place of many labels, and
        `generated` where labels were found in texts, with lists of texts as JSON.
        """
        shape = (len(self.gold), len(self.labels))
        if self.predicted.shape != self.gold.shape or self.scores.shape != shape:
            raise ValueError(
                f"predicted {self.predicted.shape}, scores {self.scores.shape} for {shape}"
            )
        header = [*LABEL_COLUMNS, *_columns(self.labels), *([GENERATED] if self.generated else [])]
        rows: list[list[object]] = [[*header]]
        for item, (gold, predicted, scores) in enumerate(
            zip(self.gold, self.predicted, self._stored_scores(), strict=True)
        ):
            # Adding zero turns -0.0 into 0.0.
            cells = [f"{round(float(score), DECIMALS) + 0.0:.{DECIMALS}f}" for score in scores]
            answer = self.labels[predicted] if predicted >= 0 else ""
            texts = [list_cell(self.generated[item])] if self.generated else []
            rows.append([item, self.labels[gold], answer, *cells, *texts])
        return csv_bytes(rows)

    def _stored_scores(self) -> np.ndarray:
        """The scores in the file, [I, C] or [I, 2]."""
        if len(self.labels) <= MOST_SCORES:
            return self.scores
        answers = np.where(self.predicted < 0, self.gold, self.predicted)
        classes = np.stack([self.gold, answers], axis=1)
        return np.take_along_axis(self.scores, classes, axis=1)


def parse_labels(content: bytes, labels: list[str], field: str) -> LabelPredictions:
    """The inverse of `LabelPredictions.to_csv`; an InputError names the file as `field`."""
    try:
        rows = csv_rows(content)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(field, str(error), "a CSV file of predictions is expected") from error
    columns = [*LABEL_COLUMNS, *_columns(labels)]
    has_texts = bool(rows) and rows[0] == [*columns, GENERATED]
    if not rows or not (has_texts or rows[0] == columns):
        header = rows[0] if rows else []
        raise InputError(field, header, f"the header must be {','.join(columns)}")
    index = {label: i for i, label in enumerate(labels)}
    answers = {"": -1, **index}
    try:
        # By column, since thousands of files are read for a table.
        numbers, golds, answered, *scores = zip(*rows[1:], strict=True)
        generated = parse_lists(scores.pop()) if has_texts else ()
        if len(scores) != len(columns) - len(LABEL_COLUMNS):
            raise ValueError(f"{len(scores)} scores in a row")
        items = tuple(map(int, numbers))
        gold = np.array([index[name] for name in golds])
        predicted = np.array([answers[name] for name in answered])
        stacked = np.array([list(map(float, column)) for column in scores]).T.copy()
    except (IndexError, TypeError, ValueError, KeyError) as error:
        raise InputError(field, str(error), "a row that is not a prediction") from error
    if list(items) != list(range(len(items))):
        raise InputError(field, items[:5], "items must be numbered 0, 1, 2 and so on")
    return LabelPredictions(tuple(labels), gold, predicted, stacked, generated)


def _columns(labels: Sequence[str]) -> Sequence[str]:
    return labels if len(labels) <= MOST_SCORES else TWO_SCORES

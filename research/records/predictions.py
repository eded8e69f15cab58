"""Predictions of a run on the test items, and their CSV files.

Intervals and paired tests are computed from these files.
"""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from research.common.errors import InputError
from research.common.json_io import parse_json
from research.tasks.metrics.classification import METRICS
from research.tasks.metrics.regression import NUMBER_METRICS
from research.tasks.texts import ScoredTexts

DECIMALS = 4
LEADING = ["item", "gold", "predicted"]
# With more classes, a file holds two scores per row; all scores would be megabytes per run.
MOST_SCORES = 16
TWO = ("score of gold", "score of predicted")


@dataclass(frozen=True)
class Predictions:
    """Predicted classes.

    Attributes:
        labels: names of the classes.
        gold: [I], right classes as indices into `labels`.
        predicted: [I], predicted classes; -1 for no answer, an empty cell in the file.
        scores: [I, C], higher is likelier. Read from a file with more than `MOST_SCORES` classes
            they are [I, 2]: of the right class and of the predicted one, if there is an answer.
    """

    labels: tuple[str, ...]
    gold: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its metrics."""
        return tuple(METRICS)

    def item_scores(self, metric: str) -> np.ndarray:
        """[I]: whether each answer is right, for every metric."""
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
        without = [
            score(np.delete(self.predicted, i), np.delete(self.gold, i), classes) for i in first
        ]
        return float(whole), np.stack(without)[inverse]

    def to_csv(self) -> bytes:
        """Header `item,gold,predicted,<label>...`, with `TWO` in place of many labels; class names,
        and scores with four decimals.
        """
        shape = (len(self.gold), len(self.labels))
        if self.predicted.shape != self.gold.shape or self.scores.shape != shape:
            raise ValueError(
                f"predicted {self.predicted.shape}, scores {self.scores.shape} for {shape}"
            )
        rows: list[list[object]] = [[*LEADING, *_columns(self.labels)]]
        for item, (gold, predicted, scores) in enumerate(
            zip(self.gold, self.predicted, self._kept(), strict=True)
        ):
            # Adding zero turns -0.0 into 0.0.
            shown = [f"{round(float(score), DECIMALS) + 0.0:.{DECIMALS}f}" for score in scores]
            answer = self.labels[predicted] if predicted >= 0 else ""
            rows.append([item, self.labels[gold], answer, *shown])
        return csv_bytes(rows)

    def _kept(self) -> np.ndarray:
        """The scores that the file holds, [I, C] or [I, 2]."""
        if len(self.labels) <= MOST_SCORES:
            return self.scores
        answers = np.where(self.predicted < 0, self.gold, self.predicted)
        classes = np.stack([self.gold, answers], axis=1)
        return np.take_along_axis(self.scores, classes, axis=1)


def parse_predictions(content: bytes, labels: list[str], field: str) -> Predictions:
    """The inverse of `Predictions.to_csv`; an InputError names the file as `field`."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(field, str(error), "a CSV file of predictions is expected") from error
    columns = [*LEADING, *_columns(labels)]
    if not rows or rows[0] != columns:
        header = rows[0] if rows else []
        raise InputError(field, header, f"the header must be {','.join(columns)}")
    index = {label: i for i, label in enumerate(labels)}
    answers = {"": -1, **index}
    try:
        table = [
            (int(item), index[gold], answers[predicted], [float(score) for score in scores])
            for item, gold, predicted, *scores in rows[1:]
        ]
        items, gold, predicted, scores = zip(*table, strict=True)
        stacked = np.array(scores, dtype=float).reshape(len(items), len(columns) - len(LEADING))
    except (ValueError, KeyError) as error:
        raise InputError(field, str(error), "a row that is not a prediction") from error
    if list(items) != list(range(len(items))):
        raise InputError(field, items[:5], "items must be numbered 0, 1, 2 and so on")
    return Predictions(tuple(labels), np.array(gold), np.array(predicted), stacked)


def csv_bytes(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as CSV in UTF-8, lines ending in a line feed, cells quoted where needed."""
    lines = []
    for row in rows:
        line = io.StringIO()
        # With this end, a carriage return within a cell puts it in quotes; readers need that.
        csv.writer(line, lineterminator="\r\n").writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines).encode()


def _columns(labels: Sequence[str]) -> Sequence[str]:
    return labels if len(labels) <= MOST_SCORES else TWO


HEADER = ["item", "gold", "predicted"]


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
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(HEADER)
        for item, numbers in enumerate(zip(self.gold, self.predicted, strict=True)):
            writer.writerow([item, *(repr(float(number)) for number in numbers)])
        return text.getvalue().encode()


def parse_numbers(content: bytes, field: str) -> NumberPredictions:
    """The inverse of `NumberPredictions.to_csv`; an InputError names the file as `field`."""
    try:
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
        if header != HEADER or not rows:
            raise ValueError(f"the header must be {','.join(HEADER)}, and items below it")
        items, gold, predicted = (np.array(column, float) for column in zip(*rows, strict=True))
        if items.tolist() != list(range(len(items))):
            raise ValueError("items must be numbered 0, 1, 2 and so on")
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        raise InputError(field, str(error), "a CSV file of numbers is expected") from error
    return NumberPredictions(gold, predicted)


TEXT_LEADING = ["item", "output", "references"]


@dataclass(frozen=True)
class TextPredictions(ScoredTexts):
    """Generated texts with their references and metrics per item.

    BLEU and chrF are computed from the texts on request; metrics that need a database or a format
    are stored.
    """

    @property
    def gold(self) -> np.ndarray:
        """[I]: the references, which identify an item."""
        return np.array([json.dumps(references) for references in self.references])

    @property
    def predicted(self) -> np.ndarray:
        """[I]: the generated texts."""
        return np.array(self.outputs)

    def item_scores(self, metric: str) -> np.ndarray:
        """[I]: score of each answer; by ROUGE-L where the metric is defined on the corpus only."""
        return self.items.get(metric, self.items["rouge_l"])

    def to_csv(self) -> bytes:
        """Header `item,output,references,<metric>...`; references as JSON, 0 to 1 by metric."""
        values = np.stack([*self.items.values()], axis=1)
        rows: list[list[object]] = [[*TEXT_LEADING, *self.items]]
        answers = zip(self.outputs, self.references, values, strict=True)
        for item, (output, references, measured) in enumerate(answers):
            encoded = json.dumps(references, ensure_ascii=False)
            rows.append([item, output, encoded, *(repr(float(value)) for value in measured)])
        return csv_bytes(rows)


def parse_texts(content: bytes, field: str) -> TextPredictions:
    """The inverse of `TextPredictions.to_csv`; an InputError names the file as `field`."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(field, str(error), "a CSV file in UTF-8 is expected") from error
    header = rows[0] if rows else []
    names = header[len(TEXT_LEADING) :]
    if header[: len(TEXT_LEADING)] != TEXT_LEADING or not names or len(rows) < 2:
        allowed = f"the header must be {','.join(TEXT_LEADING)},<metric>..., and items below it"
        raise InputError(field, header, allowed)
    try:
        numbers, outputs, references, *values = zip(*rows[1:], strict=True)
        parsed = tuple(tuple(map(str, parse_json(text))) for text in references)
        items = {name: np.array(v, float) for name, v in zip(names, values, strict=True)}
    except (TypeError, ValueError) as error:
        raise InputError(field, str(error), "a row that is not a prediction") from error
    if list(numbers) != [str(item) for item in range(len(numbers))] or not all(parsed):
        raise InputError(field, numbers[:5], "items are numbered 0, 1, 2, ..., with references")
    return TextPredictions(outputs, parsed, items)


AnyPredictions = Predictions | TextPredictions | NumberPredictions


def prediction_class(kind: str) -> type[AnyPredictions]:
    """The class of stored predictions for an answer kind: label, text or number."""
    return {"label": Predictions, "text": TextPredictions, "number": NumberPredictions}[kind]


def parse_answers(content: bytes, labels: Sequence[str], metric: str, field: str) -> AnyPredictions:
    """The predictions in a file: classes where there are labels, numbers or texts by the metric."""
    if labels:
        return parse_predictions(content, list(labels), field)
    return (parse_numbers if metric in NUMBER_METRICS else parse_texts)(content, field)

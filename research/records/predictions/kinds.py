"""Predictions of a run on the test items, of any answer kind.

Intervals and paired tests are computed from their files.
"""

from collections.abc import Sequence

from research.records.predictions.labels import LabelPredictions, parse_labels
from research.records.predictions.numbers import NumberPredictions, parse_numbers
from research.records.predictions.texts import TextPredictions, parse_texts
from research.tasks.metrics.regression import NUMBER_METRICS

AnyPredictions = LabelPredictions | TextPredictions | NumberPredictions


def prediction_class(kind: str) -> type[AnyPredictions]:
    """The class of stored predictions for an answer kind: label, text or number."""
    return {"label": LabelPredictions, "text": TextPredictions, "number": NumberPredictions}[kind]


def parse_answers(content: bytes, labels: Sequence[str], metric: str, field: str) -> AnyPredictions:
    """The predictions in a file: classes where there are labels, numbers or texts by the metric."""
    if labels:
        return parse_labels(content, list(labels), field)
    return (parse_numbers if metric in NUMBER_METRICS else parse_texts)(content, field)

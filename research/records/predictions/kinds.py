"""Predictions of a run on the test items, of any answer kind.

Intervals and paired tests are computed from their files.
"""

from collections.abc import Sequence

from research.records.predictions.choices import ChoicePredictions, parse_choices
from research.records.predictions.labels import LabelPredictions, parse_labels
from research.records.predictions.numbers import NumberPredictions, parse_numbers
from research.records.predictions.texts import TextPredictions, parse_texts
from research.tasks.metrics.choice import CHOICE_METRICS
from research.tasks.metrics.regression import NUMBER_METRICS

AnyPredictions = LabelPredictions | TextPredictions | NumberPredictions | ChoicePredictions


def prediction_class(kind: str) -> type[AnyPredictions]:
    """The class of stored predictions for an answer kind: label, text, number or choice."""
    return {
        "label": LabelPredictions,
        "text": TextPredictions,
        "number": NumberPredictions,
        "choice": ChoicePredictions,
    }[kind]


def parse_answers(content: bytes, labels: Sequence[str], metric: str, field: str) -> AnyPredictions:
    """The predictions in a file: classes where there are labels, else of the metric's kind."""
    if labels:
        return parse_labels(content, list(labels), field)
    if metric in CHOICE_METRICS:
        return parse_choices(content, field)
    return (parse_numbers if metric in NUMBER_METRICS else parse_texts)(content, field)

"""Generated texts of a run on the test items, and their CSV files."""

import csv
import io
import json
from dataclasses import dataclass

import numpy as np

from research.common.csv_io import csv_bytes
from research.common.errors import InputError
from research.common.json_io import parse_json
from research.tasks.texts import ScoredTexts

LEADING_COLUMNS = ["item", "output", "references"]


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
        rows: list[list[object]] = [[*LEADING_COLUMNS, *self.items]]
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
    names = header[len(LEADING_COLUMNS) :]
    if header[: len(LEADING_COLUMNS)] != LEADING_COLUMNS or not names or len(rows) < 2:
        allowed = f"the header must be {','.join(LEADING_COLUMNS)},<metric>..., and items below it"
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

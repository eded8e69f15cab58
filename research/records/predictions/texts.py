"""Generated texts of a run on the test items, and their CSV files."""

import csv
import json
from dataclasses import dataclass

import numpy as np

from research.common.csv_io import csv_bytes, csv_rows, list_cell, parse_lists
from research.common.errors import InputError
from research.tasks.texts import ScoredTexts

LEADING_COLUMNS = ["item", "output", "references"]
GENERATED = "generated"  # the column of whole texts, where answers are found in them


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
        """[I]: the answers."""
        return np.array(self.outputs)

    @property
    def without_answer(self) -> float | None:
        """Share of the generated texts without an answer; None where every text is one."""
        answered = self.items.get("answered")
        return None if answered is None else 1 - float(answered.mean())

    def item_scores(self, metric: str) -> np.ndarray:
        """[I]: score of each answer; by ROUGE-L where the metric is defined on the corpus only."""
        return self.items.get(metric, self.items["rouge_l"])

    def to_csv(self) -> bytes:
        """Header `item,output,references,<metric>...`, with `generated` before the metrics where
        answers are found in whole texts; lists of texts as JSON, 0 to 1 by metric.
        """
        values = np.stack([*self.items.values()], axis=1)
        lists = [self.references, *([self.generated] if self.generated else [])]
        header = [*LEADING_COLUMNS, *([GENERATED] if self.generated else [])]
        rows: list[list[object]] = [[*header, *self.items]]
        answers = zip(self.outputs, values, *lists, strict=True)
        for item, (output, measured, *texts) in enumerate(answers):
            encoded = [list_cell(of_item) for of_item in texts]
            rows.append([item, output, *encoded, *(repr(float(value)) for value in measured)])
        return csv_bytes(rows)


def parse_texts(content: bytes, field: str) -> TextPredictions:
    """The inverse of `TextPredictions.to_csv`; an InputError names the file as `field`."""
    try:
        rows = csv_rows(content)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(field, str(error), "a CSV file in UTF-8 is expected") from error
    header = rows[0] if rows else []
    names = header[len(LEADING_COLUMNS) :]
    other = header[: len(LEADING_COLUMNS)] != LEADING_COLUMNS or names in ([], [GENERATED])
    if other or len(rows) < 2:
        allowed = f"the header must be {','.join(LEADING_COLUMNS)},<metric>..., and items below it"
        raise InputError(field, header, allowed)
    try:
        numbers, outputs, references, *values = zip(*rows[1:], strict=True)
        generated = parse_lists(values.pop(0)) if names[0] == GENERATED else ()
        names = names[1:] if generated else names
        parsed = parse_lists(references)
        items = {name: np.array(v, float) for name, v in zip(names, values, strict=True)}
    except (IndexError, TypeError, ValueError) as error:
        raise InputError(field, str(error), "a row that is not a prediction") from error
    if list(numbers) != [str(item) for item in range(len(numbers))] or not all(parsed):
        raise InputError(field, numbers[:5], "items are numbered 0, 1, 2, ..., with references")
    return TextPredictions(outputs, parsed, items, generated)

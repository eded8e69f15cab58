"""The texts that one run wrote for the test items, and the CSV file that keeps them."""

import csv
import io
import json
from dataclasses import dataclass

import numpy as np

from research.errors import InputError
from research.plain import parse_json
from research.sweeps.predictions import csv_bytes
from research.tasks.texts import Texts

LEADING = ["item", "output", "references"]


@dataclass(frozen=True)
class TextPredictions(Texts):
    """Texts beside their references and what each is worth. BLEU and chrF are computed from the
    texts whenever they are asked for; what needs a database or a format was measured once.
    """

    @property
    def gold(self) -> np.ndarray:
        """[I]: what identifies an item, its references."""
        return np.array([json.dumps(one) for one in self.references])

    @property
    def predicted(self) -> np.ndarray:
        """[I]: the texts."""
        return np.array(self.outputs)

    def worth(self, metric: str) -> np.ndarray:
        """[I] of each answer by this metric, or by ROUGE-L where it measures only all together."""
        return self.items.get(metric, self.items["rouge_l"])

    def to_csv(self) -> bytes:
        """Header `item,output,references,<metric>...`; references as JSON, 0 to 1 by metric."""
        values = np.stack([*self.items.values()], axis=1)
        rows: list[list[object]] = [[*LEADING, *self.items]]
        answers = zip(self.outputs, self.references, values, strict=True)
        for item, (output, references, measured) in enumerate(answers):
            known = json.dumps(references, ensure_ascii=False)
            rows.append([item, output, known, *(repr(float(value)) for value in measured)])
        return csv_bytes(rows)


def parse_texts(content: bytes, field: str) -> TextPredictions:
    """The inverse of `TextPredictions.to_csv`; an InputError names the file as `field`."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(field, str(error), "a CSV file in UTF-8 is expected") from error
    header = rows[0] if rows else []
    names = header[len(LEADING) :]
    if header[: len(LEADING)] != LEADING or not names or len(rows) < 2:
        allowed = f"the header must be {','.join(LEADING)},<metric>..., and items below it"
        raise InputError(field, header, allowed)
    try:
        numbers, outputs, references, *values = zip(*rows[1:], strict=True)
        known = tuple(tuple(map(str, parse_json(one))) for one in references)
        items = {name: np.array(of, float) for name, of in zip(names, values, strict=True)}
    except (TypeError, ValueError) as error:
        raise InputError(field, str(error), "a row that is not a prediction") from error
    if list(numbers) != [str(item) for item in range(len(numbers))] or not all(known):
        raise InputError(field, numbers[:5], "items are numbered 0, 1, 2, ..., with references")
    return TextPredictions(outputs, known, items)

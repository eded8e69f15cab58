"""The format of rows: all settings, beside the weights, that affect label scores."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from research.common.config import build, resolved
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.encoded import Encoded, Normalisation
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.shared_prefix import begun_with
from research.tasks.example import Example
from research.tasks.row_reader import RowReader

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class RowFormat:
    """Encoding and scoring of rows. A run stores it, and serving uses it.

    Attributes:
      encoder: encodes prompts and label texts.
      before: text of the demonstrations before every row, marked as the encoder marks it.
      reader: reads the columns of a row.
      normalisation: divisor of a text's score.
      precision: dtype of the computation.
    """

    encoder: Encoder
    before: str = ""
    reader: RowReader = RowReader()
    normalisation: Normalisation = "sum"
    precision: Precision = "float32"

    @property
    def prefix_ids(self) -> tuple[int, ...]:
        """Special tokens before every row of `encoded`.

        A decoder's last one is the first token of each row, so that an empty prompt too has a token
        that predicts the answer, as in `share_prefix`.
        """
        special = self.encoder.special_tokens.prefix_ids
        return special[:-1] if self.encoder.route == "causal" else special

    def encoded(self, row: Mapping[str, object]) -> Encoded:
        """The encoded row, after `prefix_ids`.

        Raises InputError for a missing column, and for a row that is too long if `too_long` is
        "error".
        """
        columns = self.reader.fields(row, self.encoder.template.names)
        example = Example(columns, self.encoder.labels[0])
        rows = self.encoder.examples([example], [self.before] if self.before else ())
        return begun_with(self.encoder.special_tokens.prefix_ids[len(self.prefix_ids) :], rows)

    def to_json(self) -> dict[str, Any]:
        """The format as JSON values, without the tokenizer."""
        return {"encoder": _resolved(self.encoder, "tokenizer"), **_resolved(self, "encoder")}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], tokenizer: Tokenizer, field: str) -> "RowFormat":
        """The format of the result of `to_json`; InputError names `field` for other values."""
        parts = {"tokenizer": tokenizer}
        encoder = build(Encoder, values.get("encoder", {}), f"{field}.encoder", parts)
        rest = {name: value for name, value in values.items() if name != "encoder"}
        return build(cls, rest, field, {"encoder": encoder})


def _resolved(settings: Any, other: str) -> dict[str, Any]:
    """All fields as JSON values, except the one named `other`."""
    names = (field.name for field in fields(settings) if field.name != other)
    return {name: resolved(getattr(settings, name)) for name in names}

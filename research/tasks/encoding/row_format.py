"""The format of rows: all settings, beside the weights, that affect label scores."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from research.common.config import build, resolved
from research.common.errors import InputError
from research.common.hashing import sha256
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.encoded import Encoded, Normalisation
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.shared_prefix import begun_with
from research.tasks.encoding.tokenization import NONCE
from research.tasks.example import Example
from research.tasks.prompts.chat_layout import chat_template
from research.tasks.row_reader import RowReader

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class RowFormat:
    """Encoding and scoring of rows. A run stores it, and serving uses it.

    Attributes:
      encoder: encodes prompts and label texts.
      before: text of the demonstrations before every row, marked as the encoder marks it; "" for
        the encoder's own start.
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
        """The format as JSON values, without the tokenizer.

        With `nonce`, which marks special tokens in `before`, and the checksum of a chat template.
        """
        values = {"encoder": _resolved(self.encoder, "tokenizer"), **_resolved(self, "encoder")}
        if self.encoder.layout.chat:
            values["chat_template"] = _template_checksum(self.encoder.tokenizer)
        return {**values, "nonce": NONCE} if NONCE in self.before else values

    @classmethod
    def from_json(cls, values: Mapping[str, Any], tokenizer: Tokenizer, field: str) -> "RowFormat":
        """The format of the result of `to_json`; InputError names `field` for other values.

        Raises InputError for a tokenizer with another chat template than that of the format.
        """
        parts = {"tokenizer": tokenizer}
        checksum = values.get("chat_template")
        if checksum is not None and checksum != _template_checksum(tokenizer):
            allowed = "the tokenizer has another chat template now"
            raise InputError(f"{field}.chat_template", checksum, allowed)
        encoder = build(Encoder, values.get("encoder", {}), f"{field}.encoder", parts)
        further = ("encoder", "nonce", "chat_template")
        rest = {name: value for name, value in values.items() if name not in further}
        row_format = build(cls, rest, field, {"encoder": encoder})
        # Each process marks special tokens in its own way.
        nonce = str(values.get("nonce", NONCE))
        return replace(row_format, before=row_format.before.replace(nonce, NONCE))


def _template_checksum(tokenizer: Tokenizer) -> str | None:
    template = chat_template(tokenizer)
    return None if template is None else sha256(template.encode())


def _resolved(settings: Any, other: str) -> dict[str, Any]:
    """All fields as JSON values, except the one named `other`."""
    names = (field.name for field in fields(settings) if field.name != other)
    return {name: resolved(getattr(settings, name)) for name in names}

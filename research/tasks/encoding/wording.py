"""The wording of a task, template and label texts, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.encoded import Normalisation
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.special_tokens import Bos, Route
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer


@dataclass(frozen=True)
class Wording:
    """Template and label texts of a task. Raises InputError for an invalid template or verbalizer.

    Attributes:
      template: text of the template.
      verbalizer: one or several texts per label, in the order of the labels.
      end: text that ends a target.
      normalisation: divisor of a text's score.
      bos: whether BOS stands before a causal row.
    """

    template: str
    verbalizer: Mapping[str, str | tuple[str, ...]]
    end: str = "\n"
    normalisation: Normalisation = "sum"
    bos: Bos = "tokenizer"

    def __post_init__(self) -> None:
        Template(self.template)
        Verbalizer(self.verbalizer, self.end)
        if len(self.verbalizer) < 2:
            raise InputError("verbalizer", dict(self.verbalizer), "at least two labels")

    def encoder(
        self,
        tokenizer: Tokenizer,
        positions: int,
        route: Route,
        too_long: Literal["error", "cut"],
    ) -> Encoder:
        """The encoder of rows that fit into `positions` together with the prompt frame."""
        encoder = Encoder(
            tokenizer=tokenizer,
            template=Template(self.template),
            verbalizer=Verbalizer(self.verbalizer, self.end),
            labels=tuple(self.verbalizer),
            room=positions,
            too_long=too_long,
            route=route,
            bos=self.bos,
        )
        frame = len(encoder.prefix_ids(())) + len(encoder.suffix_ids)
        return replace(encoder, room=positions - frame)

"""The wording of a task: how its rows are asked and its labels are named, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.encoded import Normalisation
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.special_tokens import Route
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer


@dataclass(frozen=True)
class Wording:
    """template: its text. verbalizer: the text of each label, or several, in the order of the
    labels. end: of a target. normalisation: of a text's score. Raises InputError where these make
    no template and no verbalizer.
    """

    template: str
    verbalizer: Mapping[str, str | tuple[str, ...]]
    end: str = "\n"
    normalisation: Normalisation = "sum"

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
        """What writes rows into `positions`, in which the frame too has to find room."""
        texts = Verbalizer(self.verbalizer, self.end)
        whole = Encoder(
            tokenizer,
            Template(self.template),
            texts,
            tuple(self.verbalizer),
            positions,
            too_long,
            route=route,
        )
        return replace(whole, room=positions - len(whole.prefix_ids(())) - len(whole.suffix_ids))

"""Token ids of examples whose answer is a text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from research.common.errors import InputError
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.encoder import Before, Encoder
from research.tasks.encoding.truncation import token_ids
from research.tasks.task import Example


@dataclass(frozen=True, kw_only=True)
class TextEncoder(Encoder):
    """A target is a space and the text, then the ids of its ending, which is tokenized alone: in a
    causal model the end of the verbalizer, or EOS where that is empty; else EOS.

    most: tokens that a generated text may have, for which every row keeps room.
    Raises InputError for a route that generates no text, and where EOS is due and there is none.
    """

    most: int

    def __post_init__(self) -> None:
        if self.route not in ("causal", "seq2seq"):
            allowed = "the task asks for text, which only causal and seq2seq backbones generate"
            raise InputError("route", self.route, allowed)
        super().__post_init__()
        if not self.ending:
            raise InputError("end", "", "the tokenizer has no EOS token; say how a text ends")

    @property
    def ending(self) -> tuple[int, ...]:
        """The ids after every target."""
        if self.route == "seq2seq":
            return self.special_tokens.end
        if self.verbalizer.end:
            return tuple(self.ids(self.verbalizer.end))
        last = self.tokenizer.eos_token_id
        return (last,) if isinstance(last, int) else ()

    def training(self, examples: Sequence[Example], before: Before = ()) -> Encoded:
        """A row for each reference of each example."""
        places = [place for place, one in enumerate(examples) for _ in one.references]
        texts = [text for one in examples for text in one.references]
        pairs = [replace(examples[i], label=text) for i, text in zip(places, texts, strict=True)]
        return self.examples(pairs, [before[place] for place in places] if before else ())

    def _demonstration(self, label: str) -> list[int]:
        return self.ids(self.verbalizer.target(label))

    def _written(self, examples: Sequence[Example]) -> list[list[int]]:
        texts = [self.verbalizer.continuation(example.label) for example in examples]
        [before], both = token_ids(self.tokenizer, ["x"]), [f"x{text}" for text in texts]
        alone, after = token_ids(self.tokenizer, texts), token_ids(self.tokenizer, both)
        ending = list(self.ending)
        return [
            (long[len(before) :] if long[: len(before)] == before else short) + ending
            for short, long in zip(alone, after, strict=True)
        ]

    def _reserved(self, targets: Sequence[Sequence[int]]) -> int:
        return max(self.most, *map(len, targets), 0)

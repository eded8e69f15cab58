"""Encoder of generation tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from research.common.errors import InputError
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.encoder import Before, Encoder
from research.tasks.example import Example


@dataclass(frozen=True, kw_only=True)
class TextEncoder(Encoder):
    """Rows whose target is a space, the text and the ending, which is tokenized separately.

    The ending of a causal model is the verbalizer's end, or EOS where that is empty; of other
    models it is EOS. Raises InputError for a route that generates no text, and where EOS is needed
    and the tokenizer has none.

    Attributes:
      most: maximum tokens of a generated text, which every row reserves.
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
        """Ids after every target."""
        if self.route == "seq2seq":
            return self.special_tokens.end
        if self.verbalizer.end:
            return tuple(self.ids(self.marked(self.verbalizer.end)))
        last = self.tokenizer.eos_token_id
        return (last,) if isinstance(last, int) else ()

    def training(self, examples: Sequence[Example], before: Before = ()) -> Encoded:
        """One training row per reference of each example."""
        indices = [i for i, example in enumerate(examples) for _ in example.references]
        texts = [text for example in examples for text in example.references]
        pairs = [replace(examples[i], label=text) for i, text in zip(indices, texts, strict=True)]
        return self.examples(pairs, [before[i] for i in indices] if before else ())

    def _written(self, examples: Sequence[Example]) -> list[list[int]]:
        texts = [self.verbalizer.continuation(example.label) for example in examples]
        ending = list(self.ending)
        return [ids + ending for ids in self.ids_of(texts)]

    def reserved(self, targets: Sequence[Sequence[int]] = ()) -> int:
        return max(self.most, *map(len, targets), 0)

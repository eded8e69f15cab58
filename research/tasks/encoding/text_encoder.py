"""Encoder of generation tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from research.common.errors import InputError
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.prompt_encoder import Before
from research.tasks.encoding.tokenization import following_ids, special_ids
from research.tasks.example import Example


@dataclass(frozen=True, kw_only=True)
class TextEncoder(Encoder):
    """Rows whose target is a space, the text and the ending, which is tokenized separately.

    A chat's target begins and ends as the chat template writes an answer. Else the ending of a
    causal model is the verbalizer's end, or EOS where that is empty; of other models it is EOS.
    Raises InputError for a route that generates no text, and where EOS is needed and the tokenizer
    has none.

    Attributes:
      most: maximum tokens of a generated text, which every row reserves.
      model_ends: ids that end a text beside the ending and EOS, as generation_config.json has them.
    """

    most: int
    model_ends: tuple[int, ...] = ()

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
        if self.wording.answer_end:
            return tuple(self.ids(self.wording.answer_end))
        return self._eos

    @property
    def _eos(self) -> tuple[int, ...]:
        eos = self.tokenizer.eos_token_id
        return (eos,) if isinstance(eos, int) else ()

    @property
    def ends(self) -> tuple[int, ...]:
        """Ids that each end a text: a special or the only one of the ending, EOS, the model's."""
        special = special_ids(self.tokenizer)
        ending = [id for id in self.ending if len(self.ending) == 1 or id in special]
        return tuple(dict.fromkeys((*ending, *self._eos, *self.model_ends)))

    @property
    def end_text(self) -> str:
        """Characters that end a text; "" where only ids do."""
        if not self.layout.chat:
            return self.verbalizer.end
        text = self.tokenizer.decode(list(self.ending), skip_special_tokens=True)
        assert isinstance(text, str)  # of one row
        return text.strip()

    def training(self, examples: Sequence[Example], before: Before = ()) -> Encoded:
        """One training row per reference of each example."""
        indices = [i for i, example in enumerate(examples) for _ in example.references]
        texts = [text for example in examples for text in example.references]
        pairs = [replace(examples[i], label=text) for i, text in zip(indices, texts, strict=True)]
        return self.examples(pairs, [before[i] for i in indices] if before else ())

    def _written(self, examples: Sequence[Example]) -> list[list[int]]:
        wording, ending = self.wording, list(self.ending)
        texts = [wording.answer_start + self.verbalizer.text(row.label) for row in examples]
        answers = following_ids(self.tokenizer, texts, wording.before_target)
        return [ids + ending for ids in answers]

    def reserved(self, targets: Sequence[Sequence[int]] = ()) -> int:
        return max(self.most, *map(len, targets), 0)

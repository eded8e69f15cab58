"""Encoding of a task's examples as token ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.encoded import Encoded, Labels, LabelTexts, pad_rows
from research.tasks.encoding.label_targets import HeadTargets, LabelTargets, label_targets
from research.tasks.encoding.prompt_encoder import Before, PromptEncoder
from research.tasks.encoding.special_tokens import Bos, Route, SpecialTokens, first_id
from research.tasks.encoding.tokenization import following_ids
from research.tasks.encoding.truncation import TooLong
from research.tasks.encoding.wording import Wording
from research.tasks.example import Example
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer


@dataclass(frozen=True)
class Encoder:
    """Encodes the examples of a task as token ids for a model.

    A prompt is tokenized together with the text before it, and apart from its target, whose ids
    follow. Ids that the tokenizer puts around a text are left out.
    Template, instruction, end and separator may name special tokens, as a chat template does;
    columns and label texts are characters.
    Ids that surround all rows, such as BOS, belong to the prompt frame; in a chat BOS stands where
    the template writes it. A causal target ends with the verbalizer's end, or as a chat template
    ends an answer; a seq2seq target ends with EOS; on the masked route the end, stripped of white
    space, follows the masks; the head route has no targets.
    Raises InputError for a label text without tokens, a label text whose ids begin another's, a
    tokenizer without the special tokens that the route needs, and as `Wording` does.

    Attributes:
      tokenizer: of the backbone.
      template: prompt template.
      verbalizer: texts of the labels.
      labels: in the order of the class indices.
      room: positions of a row: the model's context minus the prompt frame.
      too_long: "error" rejects prompts that do not fit, "cut" truncates them.
      separator: text after each demonstration.
      route: route to a label's score.
      bos: whether BOS stands before a causal row.
      target_end: whether the target of a label contains the end that follows it.
      layout: the texts around demonstrations and rows.
    """

    tokenizer: Tokenizer
    template: Template
    verbalizer: Verbalizer
    labels: tuple[str, ...]
    room: int
    too_long: TooLong = "error"
    separator: str = "\n"
    route: Route = "causal"
    bos: Bos = "tokenizer"
    target_end: bool = True
    layout: LayoutSettings = LayoutSettings()

    def __post_init__(self) -> None:
        if self.too_long not in ("error", "cut"):
            raise InputError("too_long", self.too_long, "allowed are error, cut")
        if not self.target_end and self.route in ("masked", "head"):
            allowed = f"on the {self.route} route no target contains an end"
            raise InputError("target_end", self.target_end, allowed)
        _ = self._targets  # which are checked

    @cached_property
    def wording(self) -> Wording:
        """The texts of prompts and targets."""
        return Wording(
            tokenizer=self.tokenizer,
            template=self.template,
            verbalizer=self.verbalizer,
            separator=self.separator,
            route=self.route,
            settings=self.layout,
        )

    @cached_property
    def special_tokens(self) -> SpecialTokens:
        """The special tokens around rows and targets, beside those that a chat template writes."""
        return self.wording.special_tokens(self.bos)

    @property
    def has_bos(self) -> bool:
        """Whether BOS, or the ids that the tokenizer puts before a text, stand before every row."""
        return bool(self.special_tokens.prefix_ids) or self.wording.begins_with_bos

    @cached_property
    def suffix_ids(self) -> list[int]:
        """Ids after every prompt, or after the masks that follow it."""
        end = self.verbalizer.end.strip() if self.route == "masked" else ""
        ids = self.ids(self.wording.marked(end)) if end else []
        return ids + list(self.special_tokens.suffix_ids)

    def label_tokens(self) -> Labels:
        """The target of each label that is trained on, in the order of the labels."""
        return self._targets.label_tokens()

    def texts(self) -> LabelTexts:
        """The targets of all label texts, grouped by label; on the head route, one per class."""
        return self._targets.texts()

    def lengths(self, examples: Sequence[Example], before: Before = ()) -> list[int]:
        """Positions of each untruncated row, with those reserved for a target."""
        reserved = self._reserved_for(examples)
        fields = self._prompt_encoder.clipped([example.fields for example in examples])
        return [len(ids) + reserved for ids in self.prompts(fields, before)]

    def examples(self, examples: Sequence[Example], before: Before = ()) -> Encoded:
        """Encodes examples with the text `before` each, which belongs to the prompt.

        Each row has positions reserved for the longest label text. Raises InputError as
        `PromptEncoder.fitting` does.
        """
        targets = self._written(examples)
        limit = self.room - self._reserved_for(examples)
        fields = [example.fields for example in examples]
        prompts = self._prompt_encoder.fitting(fields, before, limit)
        rows = self._rows(prompts.ids, targets)
        references = tuple(example.references for example in examples)
        return replace(rows, label=self._label(examples), cut=prompts.cut, references=references)

    def training(self, examples: Sequence[Example], before: Before = ()) -> Encoded:
        """The rows to train on."""
        return self.examples(examples, before)

    def ready(self, prompt: str, before: Before = ()) -> Encoded:
        """Rows of a fixed prompt, one after each of `before`; their label has no meaning.

        Without such texts it is one row, after the wording's `start`. Raises InputError for a
        prompt that does not fit.
        """
        prompts = self._prompt_encoder.fixed(prompt, before)
        target = self._neutral_target()
        limit, longest = self.room - self.reserved([target]), max(map(len, prompts))
        if longest > limit:
            allowed = f"it takes {longest} tokens, and {max(limit, 0)} are left beside the label"
            raise InputError("prompt", prompt, allowed)
        return self._rows(prompts, [target] * len(prompts))

    def neutral(self, prompt: str, before: Before, rows: Encoded) -> Encoded:
        """The rows of a fixed prompt by which the scores of `rows` are calibrated, see `ready`."""
        del rows
        return self.ready(prompt, before)

    def _neutral_target(self) -> list[int]:
        """Ids of the target after a fixed prompt."""
        return self._target(self.labels[0])

    def _rows(self, prompts: list[list[int]], targets: list[list[int]]) -> Encoded:
        """Rows without labels."""
        prompts = [ids or self._empty_prompt for ids in prompts]
        rows = [prompt + target for prompt, target in zip(prompts, targets, strict=True)]
        tokens, length = pad_rows(rows)
        start = np.array([len(ids) for ids in prompts], np.int32)
        return Encoded(tokens, length, start, np.zeros(len(rows), np.int32), cut=0)

    @property
    def _empty_prompt(self) -> list[int]:
        """Ids of an empty prompt: a decoder predicts a target from one token at least."""
        begun = self.route != "causal" or self.special_tokens.prefix_ids
        return [] if begun else [first_id(self.tokenizer)]

    def ids(self, text: str) -> list[int]:
        """Token ids of a text that follows another text.

        They equal the ids of the text alone, except for tokenizers that prepend a space.
        """
        [ids] = following_ids(self.tokenizer, [text])
        return ids

    @cached_property
    def _targets(self) -> LabelTargets | HeadTargets:
        return label_targets(self.wording, self.labels, self.bos, self.target_end)

    def _target(self, label: str) -> list[int]:
        """Ids of a label's target that is trained on."""
        return self._targets.trained(label)

    def _label(self, examples: Sequence[Example]) -> NDArray:
        """Correct answers [I], as in `Encoded.label`."""
        index = {label: i for i, label in enumerate(self.labels)}
        return np.array([index.get(example.label, 0) for example in examples], np.int32)

    def _written(self, examples: Sequence[Example]) -> list[list[int]]:
        """Ids of the target of each example."""
        return [self._target(example.label) for example in examples]

    def _reserved_for(self, examples: Sequence[Example]) -> int:
        """Positions reserved in every row of these examples."""
        return self.reserved(self._written(examples))

    def reserved(self, targets: Sequence[Sequence[int]] = ()) -> int:
        """Positions reserved in every row for its target: those of the longest label text."""
        del targets  # every row scores all labels
        return self._targets.longest

    def prompts(self, fields: Sequence[Mapping[str, str]], before: Before = ()) -> list[list[int]]:
        """Token ids of the whole prompts of these columns, with the text before each."""
        return self._prompt_encoder.whole(fields, before)

    @cached_property
    def _prompt_encoder(self) -> PromptEncoder:
        return PromptEncoder(self.tokenizer, self.wording, self.too_long, self.room)

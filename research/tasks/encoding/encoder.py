"""Encoding of a task's examples as token ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.encoded import Encoded, Labels, LabelTexts, pad_rows
from research.tasks.encoding.joint import joined_ids
from research.tasks.encoding.label_targets import (
    LabelTargets,
    check_scored,
    head_labels,
    label_targets,
)
from research.tasks.encoding.special_tokens import (
    Bos,
    Route,
    SpecialTokens,
    first_id,
    special_tokens,
)
from research.tasks.encoding.tokenization import following_ids, token_ids
from research.tasks.encoding.truncation import TooLong, clip, truncate
from research.tasks.encoding.wording import Wording
from research.tasks.example import Example
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer

Before = Sequence[str]  # the text before each row, marked; empty where there is none


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
        wording = self.wording
        if self.route != "head":
            start, prompt_end = wording.answer_start, wording.before_target
            check_scored(self.tokenizer, self.labels, self.verbalizer, start, prompt_end)
            self._targets.check_distinct(whole=self.route == "masked")

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
        written = self.wording.begins_with_bos
        if written and self.bos == "never":
            raise InputError("bos", self.bos, "the tokenizer's chat template writes BOS itself")
        special = special_tokens(self.route, self.tokenizer, self.bos)
        none = written or (self.layout.chat and self.bos == "tokenizer")
        return replace(special, prefix_ids=()) if none else special

    @property
    def has_bos(self) -> bool:
        """Whether BOS, or what the tokenizer puts before a text, stands before every row."""
        return bool(self.special_tokens.prefix_ids) or self.wording.begins_with_bos

    @cached_property
    def suffix_ids(self) -> list[int]:
        """Ids after every prompt, or after the masks that follow it."""
        end = self.verbalizer.end.strip() if self.route == "masked" else ""
        ids = self.ids(self.wording.marked(end)) if end else []
        return ids + list(self.special_tokens.suffix_ids)

    def label_tokens(self) -> Labels:
        """The target of each label that is trained on, in the order of the labels."""
        if self.route == "head":
            return head_labels(len(self.labels))
        return self._targets.label_tokens()

    def texts(self) -> LabelTexts:
        """The targets of all label texts, grouped by label; on the head route, one per class."""
        if self.route == "head":
            count = len(self.labels)
            return LabelTexts(self.label_tokens(), np.arange(count), np.ones(count, np.int32))
        return self._targets.texts()

    def lengths(self, examples: Sequence[Example], before: Before = ()) -> list[int]:
        """Positions of each untruncated row, with those reserved for a target."""
        reserved = self.reserved(self._written(examples))
        return [len(ids) + reserved for ids in self.prompts(self._fields(examples), before)]

    def examples(self, examples: Sequence[Example], before: Before = ()) -> Encoded:
        """Encodes examples with the text `before` each, which belongs to the prompt.

        Without such texts it is the wording's `start`. Each row has positions reserved for the
        longest label text. Raises InputError for rows that are too long, unless `too_long` is
        "cut", and where the template alone does not fit. Only the columns are truncated, at their
        ends, the longest first.
        """
        targets = self._written(examples)
        limit = self.room - self.reserved(targets)
        fields, before = self._fields(examples), self._before(before, len(examples))
        prompts = self.prompts(fields, before)
        long = [row for row, ids in enumerate(prompts) if len(ids) > limit]
        before_long = [before[row] for row in long if before]
        if long and self.too_long == "error":
            used = max(map(len, token_ids(self.tokenizer, before_long)), default=0)
            longest, left = max(map(len, prompts)) - used, max(limit - used, 0)
            raise InputError(
                "too_long",
                "error",
                f"{len(long)} of {len(prompts)} prompts are longer than the {left} tokens left "
                f"beside frame and label, the longest has {longest}; 'cut' cuts and counts them",
            )
        long_fields = [fields[row] for row in long]
        prompt = self.wording.prompt
        fitting = truncate(self.tokenizer, self.template, prompt, long_fields, limit, before_long)
        for row, ids in zip(long, fitting, strict=True):
            prompts[row] = ids
        rows = self._rows(prompts, targets)
        references = tuple(example.references for example in examples)
        return replace(rows, label=self._label(examples), cut=len(long), references=references)

    def _fields(self, examples: Sequence[Example]) -> list[Mapping[str, str]]:
        """The columns of each example; if they may be cut, at most as long as a row."""
        fields = [example.fields for example in examples]
        return clip(self.tokenizer, fields, self.room) if self.too_long == "cut" else fields

    def training(self, examples: Sequence[Example], before: Before = ()) -> Encoded:
        """The rows to train on."""
        return self.examples(examples, before)

    def ready(self, prompt: str, before: Before = ()) -> Encoded:
        """Rows of a fixed prompt, one after each of `before`; their label has no meaning.

        Without such texts it is one row, after the wording's `start`. Raises InputError for a
        prompt that does not fit.
        """
        before = before or (self.wording.start,)
        texts = [self.wording.fixed_prompt(prompt)] * len(before)
        prompts = joined_ids(self.tokenizer, before, texts)
        target = self._target(self.labels[0])
        limit, longest = self.room - self.reserved([target]), max(map(len, prompts))
        if longest > limit:
            allowed = f"it takes {longest} tokens, and {max(limit, 0)} are left beside the label"
            raise InputError("prompt", prompt, allowed)
        return self._rows(prompts, [target] * len(before))

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
        [ids] = self.ids_of([text])
        return ids

    def ids_of(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text as one that follows another text."""
        return following_ids(self.tokenizer, texts)

    @cached_property
    def _targets(self) -> LabelTargets:
        if self.route == "head":
            return LabelTargets({label: [("", [])] for label in self.labels})
        wording = self.wording
        end = wording.answer_end if self.route == "causal" and self.target_end else ""
        return label_targets(
            self.tokenizer,
            self.labels,
            self.verbalizer,
            surroundings=(wording.answer_start, end),
            end_ids=self.special_tokens.end if self.target_end else (),
            prompt_end=wording.before_target,
        )

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

    def reserved(self, targets: Sequence[Sequence[int]] = ()) -> int:
        """Positions reserved in every row for its target: those of the longest label text."""
        del targets  # every row scores all labels
        return self._targets.longest

    def prompts(self, fields: Sequence[Mapping[str, str]], before: Before = ()) -> list[list[int]]:
        """Token ids of the whole prompts of these columns, with the text before each."""
        texts = [self.wording.prompt(values) for values in fields]
        return joined_ids(self.tokenizer, self._before(before, len(texts)), texts)

    def _before(self, before: Before, count: int) -> Before:
        """The texts before `count` rows: the wording's `start` where there are no others."""
        start = self.wording.start
        return before or ([start] * count if start else ())

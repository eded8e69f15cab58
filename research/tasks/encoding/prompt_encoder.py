"""Encoding of prompts as token ids, cut where they are too long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.joint import joined_ids
from research.tasks.encoding.tokenization import token_ids
from research.tasks.encoding.truncation import TooLong, clip, truncate
from research.tasks.encoding.wording import Wording

Before = Sequence[str]  # the text before each row, marked; empty where there is none


class FittedPrompts(NamedTuple):
    """Prompts that fit.

    Attributes:
      ids: token ids of each.
      cut: number of prompts that are truncated.
    """

    ids: list[list[int]]
    cut: int


@dataclass(frozen=True)
class PromptEncoder:
    """Encodes prompts as token ids, each tokenized together with the text before it.

    Without such texts it is the wording's `start`.

    Attributes:
      tokenizer: of the backbone.
      wording: the texts of prompts.
      too_long: "error" rejects prompts that do not fit, "cut" truncates them.
      room: positions of a row.
    """

    tokenizer: Tokenizer
    wording: Wording
    too_long: TooLong
    room: int

    def whole(self, fields: Sequence[Mapping[str, str]], before: Before = ()) -> list[list[int]]:
        """Ids of the untruncated prompts of these columns."""
        texts = [self.wording.prompt(values) for values in fields]
        return joined_ids(self.tokenizer, self._before(before, len(texts)), texts)

    def clipped(self, fields: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, str]]:
        """The columns; if they may be cut, at most as long as a row."""
        return clip(self.tokenizer, fields, self.room) if self.too_long == "cut" else fields

    def fixed(self, prompt: str, before: Before = ()) -> list[list[int]]:
        """Ids of a fixed prompt, one after each of `before`."""
        before = before or (self.wording.start,)
        return joined_ids(self.tokenizer, before, [self.wording.fixed_prompt(prompt)] * len(before))

    def fitting(
        self, fields: Sequence[Mapping[str, str]], before: Before, limit: int
    ) -> FittedPrompts:
        """The prompts of these columns, each of at most `limit` tokens.

        Only the columns are truncated, at their ends, the longest first. Raises InputError for
        prompts that are too long, unless `too_long` is "cut", and where the template alone does not
        fit.

        Args:
          fields: the columns of each prompt.
          before: the text before each prompt.
          limit: most tokens of a prompt.
        """
        fields = self.clipped(fields)
        before = self._before(before, len(fields))
        prompts = self.whole(fields, before)
        long = [row for row, ids in enumerate(prompts) if len(ids) > limit]
        before_long = [before[row] for row in long if before]
        if long and self.too_long == "error":
            raise self._too_long(prompts, before_long, limit)
        template, fill = self.wording.template, self.wording.prompt
        long_fields = [fields[row] for row in long]
        cut = truncate(self.tokenizer, template, fill, long_fields, limit, before_long)
        for row, ids in zip(long, cut, strict=True):
            prompts[row] = ids
        return FittedPrompts(prompts, len(long))

    def _too_long(
        self, prompts: Sequence[Sequence[int]], before_long: Before, limit: int
    ) -> InputError:
        """The error for prompts of more than `limit` tokens, with the text before each of these."""
        used = max(map(len, token_ids(self.tokenizer, before_long)), default=0)
        longest, left = max(map(len, prompts)) - used, max(limit - used, 0)
        count = sum(len(ids) > limit for ids in prompts)
        return InputError(
            "too_long",
            "error",
            f"{count} of {len(prompts)} prompts are longer than the {left} tokens left "
            f"beside frame and label, the longest has {longest}; 'cut' cuts and counts them",
        )

    def _before(self, before: Before, count: int) -> Before:
        """The texts before `count` prompts: the wording's `start` where there are no others."""
        start = self.wording.start
        return before or ([start] * count if start else ())

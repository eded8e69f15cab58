"""Layouts of prompts: the texts around the contents of demonstrations and rows."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class LayoutSettings:
    """The texts around the demonstrations and the row of a prompt.

    Attributes:
      chat: whether the prompt is a chat, by the tokenizer's own template.
      system: text of a chat's system turn; "" for none. A plain prompt has none.
      instruction: text that stands once, before the demonstrations; in a chat it begins the first
        user turn. "" for none.
      thinking: a chat template's switch for thoughts before an answer, `enable_thinking`.
    """

    chat: bool = False
    system: str = ""
    instruction: str = ""
    thinking: bool = False


class PromptLayout(Protocol):
    """Fixed texts around the contents of a prompt."""

    @property
    def answer_start(self) -> str:
        """Text before an answer, which belongs to the target."""
        ...

    @property
    def answer_end(self) -> str:
        """Text after an answer, which belongs to the target."""
        ...

    @property
    def separator(self) -> str:
        """Text between a demonstration and the next."""
        ...

    def pieces(self, count: int) -> tuple[str, ...]:
        """The 2 * count + 2 texts around the contents and answers of `count` demonstrations and
        around the content of the row, in order.
        """
        ...

    def trimmed(self, content: str) -> str:
        """The content without the white space that the layout removes around it."""
        ...


@dataclass(frozen=True)
class PlainLayout:
    """Contents and answers one after the other.

    Attributes:
      instruction: text that stands once, before the demonstrations; "" for none.
      answer_start: text before an answer, which belongs to the target.
      answer_end: text after an answer, which belongs to the target.
      separator: text between a demonstration and the next.
    """

    instruction: str
    answer_start: str
    answer_end: str
    separator: str

    def pieces(self, count: int) -> tuple[str, ...]:
        """See `PromptLayout`."""
        start = f"{self.instruction}\n\n" if self.instruction else ""
        return (start, *(self.answer_start, self.answer_end + self.separator) * count, "")

    def trimmed(self, content: str) -> str:
        """The content itself."""
        return content

"""The texts of prompts and targets, in which the special tokens of a wording are marked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.encoding.joint import PROBES
from research.tasks.encoding.special_tokens import Bos, Route, SpecialTokens, special_tokens
from research.tasks.encoding.tokenization import are_apart, marked
from research.tasks.encoding.truncation import marked_template
from research.tasks.prompts.chat_layout import chat_layout
from research.tasks.prompts.layout import LayoutSettings, PlainLayout, PromptLayout
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer


@dataclass(frozen=True)
class Wording:
    """The texts of prompts and targets, in which the special tokens of a wording are marked.

    A target begins with the verbalizer's start, a space by default, except in a chat and, with a
    decoder, where the template ends in white space. Raises InputError for a chat on another route
    than causal, and for a template with white space at its end that the tokenizer joins with the
    target.

    Attributes:
      tokenizer: of the backbone.
      template: prompt template.
      verbalizer: texts of the labels.
      separator: text after each plain demonstration.
      route: route to a label's score.
      settings: settings of the layout.
    """

    tokenizer: Tokenizer
    template: Template
    verbalizer: Verbalizer
    separator: str
    route: Route
    settings: LayoutSettings

    def __post_init__(self) -> None:
        if self.settings.chat and self.route != "causal":
            allowed = f"only decoders that answer with text have chats; the route is {self.route}"
            raise InputError("chat", True, allowed)
        if not self.settings.chat and self._ends_in_space:
            self._check_template_end()

    def _check_template_end(self) -> None:
        texts = [text for label in self.verbalizer.texts for text in self.verbalizer.all(label)]
        apart = are_apart(self.tokenizer, self.before_target, texts or PROBES)
        if self.route == "masked" or (self.route == "causal" and not apart):
            allowed = (
                "it ends in white space, which the tokenizer joins with the text that follows; "
                "leave it out, since a space before a label or answer belongs to the target"
            )
            raise InputError("template", self.template.text, allowed)

    @property
    def _ends_in_space(self) -> bool:
        return self.template.text != self.template.text.rstrip()

    @cached_property
    def layout(self) -> PromptLayout:
        """The fixed texts around the contents of a prompt."""
        if self.settings.chat:
            return chat_layout(self.tokenizer, self.settings)
        spaced = self.route == "causal" and self._ends_in_space
        return PlainLayout(
            instruction=self.settings.instruction,
            answer_start="" if spaced else self.verbalizer.start,
            answer_end=self.verbalizer.end,
            separator=self.separator,
        )

    def marked(self, text: str) -> str:
        """A text whose special tokens stay special among other texts."""
        return marked(self.tokenizer, text)

    @cached_property
    def template_text(self) -> Template:
        """The template, marked."""
        return marked_template(self.tokenizer, self.template)

    def content(self, fields: Mapping[str, str]) -> str:
        """The filled template."""
        return self.layout.trimmed(self.template_text.fill(fields))

    def prompt(self, fields: Mapping[str, str]) -> str:
        """The text of a row before its target, without `start`."""
        return self.content(fields) + self.prompt_end

    def fixed_prompt(self, text: str) -> str:
        """As `prompt`, with a text in place of the filled template."""
        return self.layout.trimmed(self.marked(text)) + self.prompt_end

    def pieces(self, count: int) -> list[str]:
        """The texts around `count` demonstrations and the row, see `PromptLayout`."""
        return [*map(self.marked, self.layout.pieces(count))]

    @cached_property
    def start(self) -> str:
        """The text before a row without demonstrations."""
        return self.pieces(0)[0]

    @cached_property
    def prompt_end(self) -> str:
        """The text between a row's content and its target."""
        return self.pieces(0)[-1]

    @cached_property
    def answer_start(self) -> str:
        """The text before an answer in its target."""
        return self.marked(self.layout.answer_start)

    @cached_property
    def answer_end(self) -> str:
        """The text after an answer in its target."""
        return self.marked(self.layout.answer_end)

    @cached_property
    def before_target(self) -> str:
        """A text that ends as every prompt does, as far as it matters for the ids of a target."""
        if self.settings.chat:
            return f"x{self.prompt_end}"
        spaced = self.route == "causal" and self._ends_in_space
        return f"x{self.template_text.ending}" if spaced else "x"

    @property
    def begins_with_bos(self) -> bool:
        """Whether the text before every row is a chat that begins with BOS."""
        bos = self.tokenizer.bos_token
        first = self.layout.pieces(0)[0] if self.settings.chat else ""
        return isinstance(bos, str) and first.startswith(bos)

    def special_tokens(self, bos: Bos) -> SpecialTokens:
        """The special tokens around rows and targets, beside those that a chat template writes.

        Raises InputError for `bos` "never" where the chat template writes BOS.
        """
        if self.begins_with_bos and bos == "never":
            raise InputError("bos", bos, "the tokenizer's chat template writes BOS itself")
        special = special_tokens(self.route, self.tokenizer, bos)
        none = self.begins_with_bos or (self.settings.chat and bos == "tokenizer")
        return replace(special, prefix_ids=()) if none else special

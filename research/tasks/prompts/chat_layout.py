"""Chats by the tokenizer's own template, split into the texts around their contents."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, cast

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.tasks.prompts.layout import LayoutSettings

# Ends the texts that stand for contents where a chat template is split; no template has it.
NONCE = secrets.token_hex(16)
# Some templates write the date. Here it is always the default of Llama's templates, so that
# prompts do not depend on the day.
DATE = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro -%}{{ '' }}"


@dataclass(frozen=True)
class ChatLayout:
    """A chat, as the tokenizer's template writes it.

    The template is rendered with other texts in place of the contents and split at them, for each
    number of demonstrations, since some templates depend on it. An answer begins with the text that
    the template writes between the generation prompt and the answer of a finished conversation.
    It ends with the text after that answer, without white space at its end, or with EOS where that
    is nothing.

    Raises InputError for a template that fails, refuses or leaves out the system turn, leaves out
    or repeats a text, or does not begin an answer with its generation prompt; and for `thinking`
    with a template that has no such switch.

    Attributes:
      tokenizer: of the backbone.
      template: text of its chat template.
      settings: settings of the layout.
    """

    tokenizer: Tokenizer
    template: str
    settings: LayoutSettings
    separator: str = field(default="", init=False)

    def __post_init__(self) -> None:
        system, first = self.settings.system, self.pieces(0)
        if system.strip() not in "".join(first):
            allowed = "the tokenizer's chat template leaves the system turn out"
            raise InputError("system", system, allowed)
        if self.settings.thinking and self._split(_texts(1), False) == first:
            allowed = "the tokenizer's chat template has no switch for it (enable_thinking)"
            raise InputError("thinking", True, allowed)
        self._check_prompt_end()

    def _check_prompt_end(self) -> None:
        between, prompt_end = self._finished[1], self.pieces(0)[-1]
        if not between.startswith(prompt_end):
            allowed = (
                f"the tokenizer's chat template ends a prompt with {prompt_end!r} but begins an "
                f"answer with {between!r}, so that no answer can follow a prompt"
            )
            raise InputError("chat", True, allowed)

    @cached_property
    def _pieces(self) -> dict[int, tuple[str, ...]]:
        return {}

    def pieces(self, count: int) -> tuple[str, ...]:
        """See `PromptLayout`. Raises InputError where the last one depends on `count`."""
        if count not in self._pieces:
            pieces = self._split(_texts(2 * count + 1))
            if count and pieces[-1] != self.pieces(0)[-1]:
                allowed = f"the tokenizer's chat template ends another way with {count} answers"
                raise InputError("chat", True, allowed)
            self._pieces[count] = pieces
        return self._pieces[count]

    @cached_property
    def _finished(self) -> tuple[str, ...]:
        """The texts around the content and the answer of a finished conversation."""
        return self._split(_texts(2))

    @property
    def answer_start(self) -> str:
        """The text between the generation prompt and an answer."""
        return self._finished[1].removeprefix(self.pieces(0)[-1])

    @property
    def answer_end(self) -> str:
        """The text after an answer; EOS where the template writes nothing."""
        eos = self.tokenizer.eos_token
        return self._finished[-1].rstrip() or (eos if isinstance(eos, str) else "")

    def trimmed(self, content: str) -> str:
        """The content without the white space that the template removes around it."""
        left, right = self._trims
        content = content.lstrip() if left else content
        return content.rstrip() if right else content

    @cached_property
    def _trims(self) -> tuple[bool, bool]:
        """Whether the template removes white space (before, after) a content of the user."""
        [text] = _texts(1)
        bare, padded = (
            _split(self._applied([{"role": "user", "content": content}]), [text])
            for content in (text, f"\n {text} \n")
        )
        return bare[0] == padded[0], bare[1] == padded[1]

    def _split(self, texts: Sequence[str], thinking: bool | None = None) -> tuple[str, ...]:
        """The parts of a conversation around these texts of user and assistant."""
        settings = self.settings
        first = f"{settings.instruction}\n\n{texts[0]}" if settings.instruction else texts[0]
        messages = [
            {"role": ("user", "assistant")[i % 2], "content": text}
            for i, text in enumerate([first, *texts[1:]])
        ]
        system = [{"role": "system", "content": settings.system}] if settings.system else []
        try:
            return _split(self._applied([*system, *messages], thinking), texts)
        except _TemplateFailure as failure:
            if not system:
                raise
            self._applied(messages, thinking)  # raises where the system turn is not the reason
            allowed = (
                f"the tokenizer's chat template refuses a system turn ({failure.reason}); an "
                "`instruction` begins the first user turn instead"
            )
            raise InputError("system", settings.system, allowed) from failure

    def _applied(self, messages: Sequence[dict[str, str]], thinking: bool | None = None) -> str:
        """The conversation as the template writes it, with the generation prompt after the user.

        thinking: None for that of the settings. Raises _TemplateFailure.
        """
        from jinja2.exceptions import TemplateError

        dated = "strftime_now" in self.template
        try:
            return cast(Any, self.tokenizer).apply_chat_template(
                list(messages),
                chat_template=DATE + self.template if dated else self.template,
                tokenize=False,
                add_generation_prompt=messages[-1]["role"] == "user",
                enable_thinking=self.settings.thinking if thinking is None else thinking,
            )
        except (TemplateError, TypeError, ValueError, AttributeError, KeyError) as error:
            allowed = f"the tokenizer's chat template fails ({' '.join(str(error).split())})"
            raise _TemplateFailure("chat", True, allowed) from error


class _TemplateFailure(InputError):
    """A chat template does not write a conversation."""

    @property
    def reason(self) -> str:
        """What the template says."""
        return " ".join(str(self.__cause__).split())


def chat_template(tokenizer: Tokenizer) -> str | None:
    """The text of a tokenizer's chat template; None if it has none."""
    try:
        return cast(Any, tokenizer).get_chat_template()
    except ValueError:  # none, or several without a default
        return None


def chat_layout(tokenizer: Tokenizer, settings: LayoutSettings) -> ChatLayout:
    """The layout of chats with a tokenizer. Raises InputError for one without a template."""
    template = chat_template(tokenizer)
    if template is None:
        allowed = "the tokenizer has no chat template; False, or 'auto', gives a plain prompt"
        raise InputError("chat", True, allowed)
    return _chat_layout(tokenizer, template, settings)


@lru_cache(maxsize=16)
def _chat_layout(tokenizer: Tokenizer, template: str, settings: LayoutSettings) -> ChatLayout:
    return ChatLayout(tokenizer, template, settings)


def _texts(count: int) -> list[str]:
    """Texts that no template has."""
    return [f"text{index}e{NONCE}" for index in range(count)]


def _split(rendered: str, texts: Sequence[str]) -> tuple[str, ...]:
    """The parts of a rendered conversation around these texts."""
    pieces: list[str] = []
    for text in texts:
        if rendered.count(text) != 1:
            allowed = "the tokenizer's chat template leaves out or repeats a text of a conversation"
            raise InputError("chat", True, allowed)
        piece, _, rendered = rendered.partition(text)
        pieces.append(piece)
    return (*pieces, rendered)

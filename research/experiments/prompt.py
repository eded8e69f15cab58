"""The prompt of an approach and how it is answered."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from math import inf
from typing import Any, Literal, Self

from research.common.errors import LARGEST, MOST, InputError, check_whole
from research.tasks.answering import MOST_SAMPLES, AnswerBy, Answering
from research.tasks.encoding.demonstrations import Choice
from research.tasks.encoding.encoded import Normalisation
from research.tasks.prompts.content_free import Prior
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.task import Task

DRAWS = 1000  # draws of demonstrations of each seed; no two seeds share a draw
# Fields about the scores of labels and of choices.
LABEL_SCORES = ("normalisation", "target_end", "prior", "ensemble")
# Fields about generated texts, which have the same names in `Answering`.
ANSWERING = tuple(field.name for field in fields(Answering))


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """The prompt of an approach and how it is answered.

    Attributes:
        template: index of the task's template.
        demonstrations: number of demonstrations before each row, per class if `choice` is
            balanced, else in all; `fit` for as many as the context holds.
        choice: how demonstrations are chosen.
        draw: number of the random draw of demonstrations and of their order.
        normalisation: how the score of a text is normalised by its length.
        target_end: whether the target of a label contains the end that follows it, in training and
            in scoring: the verbalizer's end, or EOS of a seq2seq model.
        prior: prompts without an input that calibrate the scores.
        ensemble: number of prompts that label probabilities are averaged over: this prompt and
            those that follow it.
        chat: whether the prompt is a chat by the tokenizer's own template; `auto` where the
            tokenizer of a decoder has one.
        system: text of a chat's system turn.
        instruction: text that stands once, before the demonstrations; in a chat it begins the first
            user turn.
        thinking: a chat template's switch for thoughts before an answer, `enable_thinking`.
        constrained: whether generated texts have to match the format of the task.
        answer_by: how labels are chosen, by their scores or by finding one in a generated text.
        rationale: whether the task's rationales stand before the answers, in training and in
            demonstrations.
        samples: number of texts that are sampled for each row; their most frequent answer counts.
        temperature: of the samples, see `Answering`.
        max_new_tokens: maximum length of a text; None for that of the task's decoding.

    Raises InputError for invalid values.
    """

    template: int = 0
    demonstrations: int | Literal["fit"] = 0
    choice: Choice = "balanced"
    draw: int = 0
    normalisation: Normalisation = "sum"
    target_end: bool = True
    prior: Prior = "none"
    ensemble: int = 1
    chat: bool | Literal["auto"] = False
    system: str = ""
    instruction: str = ""
    thinking: bool = False
    constrained: bool = False
    answer_by: AnswerBy = "scores"
    rationale: bool = False
    samples: int = 1
    temperature: float | None = None
    max_new_tokens: int | None = None

    def __post_init__(self) -> None:
        check_whole("template", self.template, least=0)
        if self.demonstrations != "fit" and not 0 <= self.demonstrations <= MOST:
            allowed = "a whole number from 0, or 'fit', is expected"
            raise InputError("demonstrations", self.demonstrations, allowed)
        check_whole("draw", self.draw, least=0, most=DRAWS - 1)
        check_whole("ensemble", self.ensemble, most=DRAWS)
        for name in ("system", "instruction"):
            text = getattr(self, name)
            if text != text.strip():
                raise InputError(name, text, "a text without white space around it is expected")
        check_whole("samples", self.samples, most=MOST_SAMPLES)
        if self.max_new_tokens is not None:
            check_whole("max_new_tokens", self.max_new_tokens, most=LARGEST)
        if self.temperature is not None and not 0 < self.temperature < inf:
            raise InputError("temperature", self.temperature, "a number above 0 is expected")

    @property
    def layout(self) -> LayoutSettings:
        """The texts around demonstrations and rows. A plain prompt has no turn of the system."""
        if self.chat == "auto":
            raise ValueError("the layout depends on the tokenizer, see `with_layout`")
        if not self.chat:
            return LayoutSettings(instruction=self.instruction)
        return LayoutSettings(True, self.system, self.instruction, self.thinking)

    def with_layout(self, has_template: bool) -> Self:
        """The prompt with `auto` replaced, by True for a tokenizer with a chat template.

        A plain prompt loses what only a chat has.
        """
        chat = has_template if self.chat == "auto" else self.chat
        if chat or not (self.system or self.thinking):
            return replace(self, chat=chat)
        return replace(self, chat=chat, system="", thinking=False)

    @property
    def prompt(self) -> tuple[Any, ...]:
        """The values of the fields in `PROMPT`."""
        return tuple(getattr(self, name) for name in PROMPT)

    @property
    def answering(self) -> Answering:
        """The values of the fields in `ANSWERING`."""
        return Answering(**{name: getattr(self, name) for name in ANSWERING})

    @property
    def drawn(self) -> bool:
        """Whether demonstrations are drawn at random, so that `draw` matters."""
        return self.demonstrations != 0 and self.choice != "nearest"

    def check_choice(self, field: str) -> None:
        """Raises InputError if `choice` is set without demonstrations."""
        if self.choice != "balanced" and self.demonstrations == 0:
            raise InputError(f"{field}.choice", self.choice, "there are no demonstrations")

    def check_scores(self, task: Task) -> None:
        """Raises InputError if a field about label scores is set, and no labels are scored."""
        for name in self.changed_among(LABEL_SCORES):
            if not task.is_scored or self.answer_by == "text":
                labels = "labels are found in generated texts"
                reason = labels if task.is_scored else "the task has no labels"
                allowed = f"{reason}, and this field is about their scores"
                raise InputError(name, getattr(self, name), allowed)

    def changed_among(self, names: Iterable[str]) -> list[str]:
        """Those of the fields `names` that differ from their default."""
        defaults = Prompt()
        return [name for name in names if getattr(self, name) != getattr(defaults, name)]

    def members(self, templates: int) -> tuple[Self, ...]:
        """The prompts of an ensemble.

        Prompt i has the i-th template after this one and, if demonstrations are drawn, the i-th
        draw, both modulo their number. Raises InputError if two prompts would be the same.
        """
        if not self.drawn:
            check_templates("ensemble", self.ensemble, templates)
        later = tuple(
            replace(
                self,
                ensemble=1,
                template=(self.template + i) % templates,
                draw=(self.draw + i * self.drawn) % DRAWS,
            )
            for i in range(1, self.ensemble)
        )
        return (replace(self, ensemble=1), *later)


# A trial may set each of these.
PROMPT = tuple(field.name for field in fields(Prompt))
# Those that a whole experiment or a task sets for all of its rows.
LAYOUT = ("chat", "system", "instruction", "thinking")


def check_templates(field: str, prompts: int, templates: int) -> None:
    """Raises InputError if there are more prompts than templates, where only templates differ."""
    if prompts > templates:
        allowed = (
            f"without drawn demonstrations each prompt needs a template, and there are {templates}"
        )
        raise InputError(field, prompts, allowed)

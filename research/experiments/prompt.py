"""The prompt of an approach, and what is read from it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import count, islice
from typing import Any, Literal, Self

from research.common.errors import MOST, InputError, check_whole
from research.tasks.encoding.demonstrations import Choice
from research.tasks.encoding.encoded import Normalisation
from research.tasks.prompts.content_free import Prior
from research.tasks.sampling import order

DRAWS = 1000  # draws of demonstrations that a seed has; no two seeds share one


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """template: which of the task's. demonstrations: how many stand before each row, or `fit`: as
    many as the context holds; per class if their choice is balanced, else in all. choice: how they
    are chosen. draw: which of them, and their order. normalisation: of a text's score, by its
    length. prior: the prompts without an input by which scores are calibrated. ensemble: over how
    many prompts labels' probabilities are averaged, this one and those after it.
    Raises InputError for values that make no prompt.
    """

    template: int = 0
    demonstrations: int | Literal["fit"] = 0
    choice: Choice = "balanced"
    draw: int = 0
    normalisation: Normalisation = "sum"
    prior: Prior = "none"
    ensemble: int = 1

    def __post_init__(self) -> None:
        check_whole("template", self.template, least=0)
        if self.demonstrations != "fit" and not 0 <= self.demonstrations <= MOST:
            allowed = "a whole number from 0, or 'fit', is expected"
            raise InputError("demonstrations", self.demonstrations, allowed)
        check_whole("draw", self.draw, least=0, most=DRAWS - 1)
        check_whole("ensemble", self.ensemble, most=DRAWS)

    @property
    def prompt(self) -> tuple[Any, ...]:
        """The values of the fields in `PROMPT`."""
        return tuple(getattr(self, name) for name in PROMPT)

    @property
    def drawn(self) -> bool:
        """Whether `draw` changes the prompt."""
        return self.demonstrations != 0 and self.choice != "nearest"

    def check_choice(self, field: str) -> None:
        """Raises InputError for a choice of demonstrations where there are none."""
        if self.choice != "balanced" and self.demonstrations == 0:
            raise InputError(f"{field}.choice", self.choice, "there are no demonstrations")

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raises InputError for a readout of labels' scores where a task has no labels."""
        plain = Prompt()
        for name in ("normalisation", "prior", "ensemble"):
            if not labels and getattr(self, name) != getattr(plain, name):
                allowed = "the task asks for a text, and this is about the scores of labels"
                raise InputError(name, getattr(self, name), allowed)

    def members(self, templates: int) -> tuple[Self, ...]:
        """The prompts of an ensemble: number i has the i-th template and, where it has drawn
        demonstrations, the i-th draw from here on, around the end.

        Raises InputError where two of them would be the same.
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


def check_templates(field: str, prompts: int, templates: int) -> None:
    """Raises InputError where so many prompts differ in nothing but their template."""
    if prompts > templates:
        allowed = f"without drawn demonstrations a template is a prompt, and there are {templates}"
        raise InputError(field, prompts, allowed)


@dataclass(frozen=True)
class PromptSearch:
    """Trials on so many prompts, no two alike; the same for the same seed.

    Raises InputError for numbers that make no search.
    """

    prompts: int
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("prompts", self.prompts, most=DRAWS)
        check_whole("seed", self.seed, least=0)

    def trials(self, templates: int, drawn: bool) -> tuple[dict[str, int], ...]:
        """Templates in rounds, each round in an order of its own; template 0 and draw 0 are first.

        A draw decides the demonstrations and their order; no two trials share one. drawn: whether
        a prompt has such demonstrations. Raises InputError where there are too few templates.
        """
        if not drawn:
            check_templates("trials.prompts", self.prompts, templates)
        rounds = (template for turn in count() for template in self._round(turn, templates))
        return tuple(
            {"template": template, "draw": draw} if drawn else {"template": template}
            for draw, template in enumerate(islice(rounds, self.prompts))
        )

    def _round(self, turn: int, templates: int) -> list[int]:
        """The templates in the order that belongs to the seed and this round."""
        shuffled = order(templates, self.seed, turn, 5).tolist()
        return sorted(shuffled, key=bool) if turn == 0 else shuffled  # 0, then as they were

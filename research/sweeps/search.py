"""A search through prompts: pairs of a template and a draw of demonstrations, as trials."""

from dataclasses import dataclass
from itertools import count, islice

from research.errors import check_whole
from research.sweeps.prompt import DRAWS, check_templates
from research.tasks.sampling import order


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

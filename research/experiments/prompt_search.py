"""A search over the prompts of an approach."""

from dataclasses import dataclass
from itertools import count, islice

from research.common.errors import check_whole
from research.experiments.prompt import DRAWS, check_templates
from research.tasks.sampling import order


@dataclass(frozen=True)
class PromptSearch:
    """A search over distinct prompts, determined by its seed.

    Attributes:
        prompts: number of prompts.
        seed: seed of the order of the templates.

    Raises InputError for numbers that are out of range.
    """

    prompts: int
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("prompts", self.prompts, most=DRAWS)
        check_whole("seed", self.seed, least=0)

    def trials(self, templates: int, drawn: bool) -> tuple[dict[str, int], ...]:
        """The trials: templates in rounds, each in its own order, the first with template 0.

        Each trial has its own draw of demonstrations, from draw 0 on.

        Args:
            templates: number of templates of the task.
            drawn: whether the prompts have drawn demonstrations.

        Raises InputError if there are too few templates.
        """
        if not drawn:
            check_templates("trials.prompts", self.prompts, templates)
        rounds = (template for index in count() for template in self._round(index, templates))
        return tuple(
            {"template": template, "draw": draw} if drawn else {"template": template}
            for draw, template in enumerate(islice(rounds, self.prompts))
        )

    def _round(self, index: int, templates: int) -> list[int]:
        """The templates in the order of this round."""
        shuffled = order(templates, self.seed, index, 5).tolist()
        # The sort is stable: template 0 first, the others in their order.
        return sorted(shuffled, key=bool) if index == 0 else shuffled

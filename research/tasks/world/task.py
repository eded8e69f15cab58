"""Classification tasks of the embedded benchmark, with balanced splits of disjoint texts."""

from collections.abc import Callable
from dataclasses import dataclass

from research.common.errors import InputError, check_choice
from research.tasks.example import Example, text_key
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import Task
from research.tasks.task_settings import TaskSettings
from research.tasks.world.articles import LABELS as TOPICS
from research.tasks.world.articles import article
from research.tasks.world.draw import Draw, Share
from research.tasks.world.novel import LABELS as KINDS
from research.tasks.world.novel import puzzle
from research.tasks.world.requests import LABELS as INTENTS
from research.tasks.world.requests import draw_request
from research.tasks.world.reviews import LABELS as MOODS
from research.tasks.world.reviews import review
from research.tasks.world.statements import LABELS as ANSWERS
from research.tasks.world.statements import statement

MOST_CHARACTERS = {"train": 60, "test": 60, "ood": 80}  # longer texts are excluded
MOST_MISSES = 20_000  # successive draws without a new text, after which there are no more


@dataclass(frozen=True)
class Recipe:
    """How a task is made.

    Attributes:
        draw: Function of (draw, share of the vocabulary, whether longer) that gives an example.
        texts: Text of each label.
        templates: Prompt templates, none of which is a wording of the corpus.
    """

    draw: Callable[[Draw, Share, bool], Example]
    texts: dict[str, str]
    templates: tuple[str, ...]


RECIPES = {
    "sentiment": Recipe(
        review,
        dict(zip(MOODS, ("bad", "good"), strict=True)),
        (
            "Guest review: {text}\nGuest verdict:",
            "{text} The visitor found it",
            "{text}\nThis was",
        ),
    ),
    "topic": Recipe(
        article,
        {topic: topic for topic in TOPICS},
        ("{text}\nIt belongs to", "{text}\nThis article:", "{text}\nWords on"),
    ),
    "intent": Recipe(
        draw_request,
        {intent: intent for intent in INTENTS},
        ("Visitor: {text}\nHelp with", "{text}\nWish:", "{text}\nThe request is about"),
    ),
    "entailment": Recipe(
        statement,
        {answer: answer for answer in ANSWERS},
        (
            "Statement: {premise}\nSo: {hypothesis}\nIs this so?",
            "{premise} The claim: {hypothesis}\nReply:",
            "{premise} Is this so? {hypothesis}\nAnswer:",
        ),
    ),
    "novel": Recipe(
        puzzle,
        {kind: kind for kind in KINDS},
        ("{text}\nThis is", "{text}\nIt is", "{text} So it is"),
    ),
}


@dataclass(frozen=True)
class WorldTask(TaskSettings):
    """A task of the embedded benchmark.

    The ood split has the other share of the vocabulary (products, words, ways to ask, relations)
    and longer texts.

    Attributes:
        name: A key of `RECIPES`.
        seed: Seed of the texts.
        train: Number of training examples.
        test: Number of test examples.
        ood: Number of out-of-domain examples.
    """

    name: str = "sentiment"
    seed: int = 0
    train: int = 2000
    test: int = 400
    ood: int = 400

    def load(self) -> Task:
        """The task.

        Raises InputError for an unknown name, a size below one example per label, and a size above
        the number of different texts.
        """
        check_choice("name", self.name, RECIPES)
        recipe = RECIPES[self.name]
        seen: set[tuple[str, ...]] = set()
        return Task(
            name=self.name,
            labels=tuple(recipe.texts),
            templates=tuple(map(Template, recipe.templates)),
            verbalizer=Verbalizer(recipe.texts),
            test=self._split("test", self.test, "core", seen),
            ood=self._split("ood", self.ood, "other", seen),
            train=self._split("train", self.train, "core", seen),
        )

    def _split(
        self, split: str, size: int, share: Share, seen: set[tuple[str, ...]]
    ) -> tuple[Example, ...]:
        """`size` examples, balanced by label, with texts not in `seen`, to which they are added."""
        recipe = RECIPES[self.name]
        if size < len(recipe.texts):
            raise InputError(
                split, size, f"at least {len(recipe.texts)}, one example for each label"
            )
        draw = Draw(self.seed, self.name, split, tasks=True)
        missing = {
            label: (size + rank) // len(recipe.texts) for rank, label in enumerate(recipe.texts)
        }
        examples: list[Example] = []
        misses = 0
        while len(examples) < size:
            example = recipe.draw(draw, share, split == "ood")
            key = text_key(example)[-1:]  # the text, or the premise
            length = sum(len(text) for text in example.fields.values())
            if missing[example.label] and key not in seen and length <= MOST_CHARACTERS[split]:
                missing[example.label] -= 1
                seen.add(key)
                examples.append(example)
                misses = -1
            misses += 1
            if misses > MOST_MISSES:
                raise InputError(split, size, f"there are no more than {len(examples)} texts")
        return tuple(examples)

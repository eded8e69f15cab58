"""Prompts of a row as the messages of a chat."""

from collections.abc import Sequence
from dataclasses import dataclass

from research.tasks.encoding.demonstrations import Choice
from research.tasks.encoding.nearest import by_nearness
from research.tasks.example import Example
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.sampling import shuffled

Message = dict[str, str]


@dataclass(frozen=True)
class DemonstrationDraw:
    """Which demonstrations stand before an example, whatever their length.

    They are those of a row whose backbone has room for all of them.

    Attributes:
        train: the examples to choose from.
        labels: the labels of the task; empty where it has none.
        count: their number, per class if `choice` is balanced.
        choice: how they are chosen.
        seed: seed of the draw and of the order.
    """

    train: Sequence[Example]
    labels: Sequence[str]
    count: int = 0
    choice: Choice = "balanced"
    seed: int = 0

    @property
    def size(self) -> int:
        """Number of demonstrations before each example."""
        return min(self.count, len(self.train)) if self.choice == "nearest" else len(self._drawn())

    def before(self, examples: Sequence[Example]) -> list[Sequence[Example]]:
        """The demonstrations before each example, in order."""
        if self.count and self.choice == "nearest":
            rankings = by_nearness(self.train, examples)
            return [[self.train[i] for i in reversed(r[: self.count])] for r in rankings]
        return [self._drawn()] * len(examples)

    def _drawn(self) -> list[Example]:
        if self.choice == "random":
            return shuffled(list(self.train), self.seed, 0, 4)[: self.count]
        classes = [
            shuffled([e for e in self.train if label in (None, e.label)], self.seed, index, 2)
            for index, label in enumerate(self.labels or (None,))
        ]
        rounds = [of_class[i : i + 1] for i in range(self.count) for of_class in classes]
        return shuffled([example for part in rounds for example in part], self.seed, 0, 3)


@dataclass(frozen=True)
class Conversation:
    """The messages of a row's prompts: demonstrations are turns of the user and the assistant.

    Attributes:
        template: the template of a user turn.
        verbalizer: texts of the labels, for the assistant's turns.
        layout: the system turn, and the instruction that begins the first user turn.
        demonstrations: the demonstrations.
    """

    template: Template
    verbalizer: Verbalizer
    layout: LayoutSettings
    demonstrations: DemonstrationDraw

    def messages(self, examples: Sequence[Example]) -> list[list[Message]]:
        """The messages for each example."""
        before = self.demonstrations.before(examples)
        return [self._of(example, first) for example, first in zip(examples, before, strict=True)]

    def _of(self, example: Example, demonstrations: Sequence[Example]) -> list[Message]:
        messages: list[Message] = []
        for demonstration in demonstrations:
            answer = self.verbalizer.text(demonstration.label)
            messages += [self._user(demonstration), {"role": "assistant", "content": answer}]
        messages.append(self._user(example))
        if self.layout.instruction:
            content = f"{self.layout.instruction}\n\n{messages[0]['content']}"
            messages[0] = {"role": "user", "content": content}
        if self.layout.system:
            messages.insert(0, {"role": "system", "content": self.layout.system})
        return messages

    def _user(self, example: Example) -> Message:
        return {"role": "user", "content": self.template.fill(example.fields)}

"""Settings of tasks in a config, and outlines of tasks without their examples."""

from typing import NamedTuple, Protocol, runtime_checkable

from research.tasks.prompts.template import Template
from research.tasks.task import Task


class Outline(NamedTuple):
    """A task without its examples.

    Attributes:
      name: of the task.
      labels: in the order of the class indices; empty where there are none.
      templates: prompt templates.
      words: initial words of a soft prompt where there are no labels.
      has_choices: whether each example has choices of its own.
    """

    name: str
    labels: tuple[str, ...]
    templates: tuple[Template, ...]
    words: tuple[str, ...] = ()
    has_choices: bool = False

    @property
    def is_scored(self) -> bool:
        """Whether an answer is chosen by the scores of texts, as `Task.is_scored`."""
        return bool(self.labels) or self.has_choices


@runtime_checkable
class TaskSettings(Protocol):
    """Settings of a task, as `TASKS` registers them: a frozen dataclass of plain values.

    Attributes:
      name: unique within an experiment.
    """

    name: str

    def load(self) -> Task:
        """Read or generate the task."""
        ...

    def outline(self) -> Outline | None:
        """Describe the task without reading its examples; None if that is not possible."""
        return None

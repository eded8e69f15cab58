"""The answer kind of a task."""

from research.evaluation.answer_kinds.kind import AnswerKind
from research.evaluation.answer_kinds.labels import LabelKind
from research.evaluation.answer_kinds.numbers import NumberKind
from research.evaluation.answer_kinds.texts import TextKind
from research.tasks.number_task import NumberTask
from research.tasks.task import Task
from research.tasks.text_task import TextTask


def answer_kind(task: Task) -> AnswerKind:
    """The answer kind of a task, by its class."""
    if isinstance(task, TextTask):
        return TextKind(task)
    if isinstance(task, NumberTask):
        return NumberKind(task)
    return LabelKind(task)

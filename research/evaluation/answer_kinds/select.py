"""The answer kind of a task."""

from research.common.errors import InputError
from research.evaluation.answer_kinds.kind import Answerer, AnswerKind
from research.evaluation.answer_kinds.labels import LabelKind
from research.evaluation.answer_kinds.numbers import NumberKind
from research.evaluation.answer_kinds.texts import TextAnswerer, TextKind
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


def constrained(answerer: Answerer) -> Answerer:
    """The answerer whose texts match the format of the task.

    Raises InputError for answers that are not generated, and for a format that cannot be decoded.
    """
    if not isinstance(answerer, TextAnswerer):
        raise InputError("constrained", True, "the task is not answered by generated texts")
    return answerer.constrained()

"""The answer kind of a task."""

from research.common.errors import InputError
from research.evaluation.answer_kinds.choices import ChoiceKind
from research.evaluation.answer_kinds.generated_labels import (
    GeneratedLabelAnswerer,
    GeneratedLabelKind,
)
from research.evaluation.answer_kinds.kind import Answerer, AnswerKind
from research.evaluation.answer_kinds.labels import LabelKind
from research.evaluation.answer_kinds.numbers import NumberKind
from research.evaluation.answer_kinds.text_answerer import TextAnswerer
from research.evaluation.answer_kinds.texts import TextKind
from research.tasks.answering import BY_THE_TASK, Answering
from research.tasks.choice_task import ChoiceTask
from research.tasks.number_task import NumberTask
from research.tasks.task import Task
from research.tasks.text_task import TextTask


def answer_kind(task: Task, answering: Answering = BY_THE_TASK) -> AnswerKind:
    """The answer kind of a task, by its class and by how a row answers.

    Raises InputError for ways of answering that the task does not have.
    """
    if isinstance(task, TextTask):
        return TextKind(task, answering)
    if task.labels and answering.answer_by == "text":
        return GeneratedLabelKind(task, answering)
    answering.check_unused(task.name)
    if isinstance(task, NumberTask):
        return NumberKind(task)
    if isinstance(task, ChoiceTask):
        return ChoiceKind(task)
    return LabelKind(task)


def constrained(answerer: Answerer) -> Answerer:
    """The answerer whose texts match the format of the task.

    Raises InputError for answers that are not generated, and for a format that cannot be decoded.
    """
    if not isinstance(answerer, TextAnswerer | GeneratedLabelAnswerer):
        raise InputError("constrained", True, "the task is not answered by generated texts")
    return answerer.constrained()

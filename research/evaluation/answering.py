"""How a task is answered: by choosing among its labels, by writing a text, or by a number.

All that the kinds differ in stands here: how rows are encoded, how a backbone answers them, and
what the answers are worth.
"""

from typing import Any, Protocol

from transformers import PreTrainedTokenizerBase

from research.devices import Devices
from research.evaluation.batch import Frame
from research.evaluation.choosing import Choosing
from research.evaluation.estimating import Estimated, Estimating
from research.evaluation.predict import Scored
from research.evaluation.writing import Writing, Written
from research.methods.method import Leaves, Method
from research.models.model import Model
from research.tasks.encoded import Encoded
from research.tasks.encoding import Encoder
from research.tasks.number_encoding import NumberEncoder
from research.tasks.number_task import NumberTask
from research.tasks.task import Task
from research.tasks.text_encoding import TextEncoder
from research.tasks.text_task import TextTask

Answers = Scored | Written | Estimated


class Answering(Protocol):
    """targets: how many target tokens a batch of these rows holds. answers: what a backbone with
    `methods` answers to each row.
    """

    def targets(self, encoded: Encoded) -> int: ...

    def answers(
        self,
        model: Model,
        methods: tuple[Method, ...],
        leaves: Leaves,
        encoded: Encoded,
        frame: Frame,
        *,
        devices: Devices,
        dtype: Any,
    ) -> Answers: ...


def encoder_for(task: Task, tokenizer: PreTrainedTokenizerBase, template: int, **how) -> Encoder:
    """The encoder of a task with one of its templates; `how`: further fields of it."""
    fields = (tokenizer, task.templates[template], task.verbalizer, task.labels)
    if isinstance(task, TextTask):
        return TextEncoder(*fields, most=task.decoding.max_new_tokens, **how)
    if isinstance(task, NumberTask):
        return NumberEncoder(*fields, **how)
    return Encoder(*fields, **how)


def answering_for(task: Task, encoder: Encoder) -> Answering:
    """How rows of that encoder are answered."""
    if isinstance(task, TextTask) and isinstance(encoder, TextEncoder):
        return Writing(task, encoder.tokenizer, encoder.ending)
    if isinstance(task, NumberTask):
        return Estimating(encoder.label_tokens())
    return Choosing(encoder.texts())

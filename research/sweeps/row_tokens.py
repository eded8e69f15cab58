"""Tokens of a task's rows, for estimates of seconds."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from research.common.tokenizer import Tokenizer
from research.evaluation.batch import BUCKETS
from research.tasks.task import Task

LABEL_TOKENS = 4  # tokens of a label and its end
ANSWER_TOKENS = 32  # tokens of an answer that is a text or a number
LONGEST = 8 * BUCKETS[-1]  # characters of a text that are read for its length
FEW = 200  # texts that stand for those of a task


class RowTokens(NamedTuple):
    """Tokens of a task's rows.

    Attributes:
        mean: of the tokens of a row with its answers.
        longest: tokens of the longest prompt.
    """

    mean: float
    longest: int


def prompt_tokens(task: Task, template: int, tokenizer: Tokenizer, most: int) -> list[int]:
    """Tokens of the prompts of the first `most` examples of train.

    Raises InputError for a template that the task lacks.
    """
    task.check_template(template)
    fill = task.templates[template].fill
    texts = [fill(example.fields)[:LONGEST] for example in task.train[:most]]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [len(row) for row in ids]  # pyright: ignore


def target_tokens(labels: Sequence[str]) -> int:
    """Tokens that a row is trained to predict; of a label if there are labels."""
    return LABEL_TOKENS if labels else ANSWER_TOKENS


def answer_tokens(labels: Sequence[str]) -> int:
    """Tokens that are scored for a row: of each label, or of the one answer."""
    return target_tokens(labels) * max(1, len(labels))


def row_tokens(task: Task, tokenizer: Tokenizer, context: int | None) -> RowTokens:
    """Tokens of the rows of a task, of the first template and examples."""
    prompts = prompt_tokens(task, 0, tokenizer, FEW)
    mean, longest = statistics.fmean(prompts) + answer_tokens(task.labels), max(prompts)
    return RowTokens(mean=min(mean, context or mean), longest=min(longest, context or longest))

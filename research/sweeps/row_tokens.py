"""Tokens of a task's rows, for estimates of seconds."""

import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from research.common.tokenizer import Tokenizer
from research.evaluation.batch import BUCKETS
from research.tasks.encoding.tokenization import TextTokenizer, token_ids
from research.tasks.encoding.truncation import marked_template
from research.tasks.task import Task

LABEL_TOKENS = 4  # tokens of a label and its end
ANSWER_TOKENS = 32  # tokens of an answer that is a text or a number
LONGEST = 8 * BUCKETS[-1]  # characters of a text that are read for its length
FEW = 200  # texts that stand for those of a task
REPEATS = 3  # times that these texts are tokenized to measure how long it takes


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
    return [*map(len, token_ids(tokenizer, _prompts(task, template, tokenizer, most)))]


def _prompts(task: Task, template: int, tokenizer: Tokenizer, most: int) -> list[str]:
    fill = marked_template(tokenizer, task.templates[template]).fill
    return [fill(example.fields)[:LONGEST] for example in task.train[:most]]


def tokens_per_second(task: Task, tokenizer: Tokenizer) -> float:
    """Tokens of the task's prompts that are tokenized in a second."""
    texts, encode = _prompts(task, 0, tokenizer, FEW), TextTokenizer(tokenizer).encode
    seconds: list[float] = []
    tokens = 0
    for _ in range(REPEATS):
        begun = time.perf_counter()
        tokens = sum(map(len, encode(texts)["input_ids"]))
        seconds.append(time.perf_counter() - begun)
    return max(tokens, 1) / min(seconds)


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

"""Tokens of a task's rows, for estimates of seconds."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.batch import BUCKETS
from research.experiments.prompt import Prompt
from research.tasks.encoding.joint import tokens_within
from research.tasks.encoding.special_tokens import Bos, Route
from research.tasks.encoding.text_encoder import TextEncoder
from research.tasks.encoding.tokenization import TextTokenizer, token_ids
from research.tasks.encoding.truncation import marked_template
from research.tasks.task import Task

LABEL_TOKENS = 4  # tokens of a label and its end, where they are not known
ANSWER_TOKENS = 32  # tokens of an answer that is a text or a number, where they are not known
LONGEST = 8 * BUCKETS[-1]  # characters of a text that are read for its length
UNLIMITED = 2**40  # positions of a row that is not cut
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


class RowLengths(NamedTuple):
    """Tokens of the first training rows of a task with a prompt, without demonstrations.

    Attributes:
        prompts: [I] tokens of each prompt, without those that all rows share.
        targets: [I] tokens of each target.
        shared: tokens that stand once before all rows: special tokens, an instruction, the
            beginning of a chat.
        answers: mean tokens that are scored after a prompt, of all label texts or of the target.
        new: most tokens of a generated text; 0 where none is generated.
    """

    prompts: NDArray
    targets: NDArray
    shared: int
    answers: float
    new: int


def row_lengths(
    task: Task, prompt: Prompt, tokenizer: Tokenizer, route: Route, bos: Bos, most: int
) -> RowLengths:
    """The tokens of the first `most` training rows of a task, as a run encodes them.

    Args:
        task: the task.
        prompt: the prompt, whose layout is known.
        tokenizer: of the backbone.
        route: how targets are predicted.
        bos: whether BOS stands before every row.
        most: maximum number of rows.

    Raises InputError for a prompt that the task or the tokenizer cannot have.
    """
    task.check_template(prompt.template)
    kind = answer_kind(task, prompt.answering)
    options = {"target_end": prompt.target_end} if task.labels else {}
    encoder = kind.encoder(
        tokenizer,
        prompt.template,
        room=UNLIMITED,
        too_long="cut",
        route=route,
        bos=bos,
        layout=prompt.layout,
        **options,
    )
    examples = [
        replace(example, fields={n: text[:LONGEST] for n, text in example.fields.items()})
        for example in kind.examples(task.train[:most])
    ]
    rows = encoder.examples(examples)
    within = tokens_within(tokenizer, encoder.wording.start)
    targets = rows.length - rows.prompt_length
    scored = task.labels and not kind.generates and route != "head"
    return RowLengths(
        prompts=rows.prompt_length - within,
        targets=targets,
        shared=within + len(encoder.special_tokens.prefix_ids),
        answers=float(encoder.texts().targets.length.sum() if scored else targets.mean()),
        new=encoder.most if isinstance(encoder, TextEncoder) else 0,
    )


def assumed_lengths(labels: Sequence[str], tokens: int) -> RowLengths:
    """Of rows whose texts are not available, with so many tokens and their targets among them."""
    target = LABEL_TOKENS if labels else ANSWER_TOKENS
    return RowLengths(
        prompts=np.array([max(1, tokens - target)]),
        targets=np.array([target]),
        shared=0,
        answers=float(target * max(1, len(labels))),
        new=0,
    )


def prompt_tokens(task: Task, template: int, tokenizer: Tokenizer, most: int) -> list[int]:
    """Tokens of the filled template of the first `most` examples of train.

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


def row_tokens(task: Task, tokenizer: Tokenizer, context: int | None) -> RowTokens:
    """Tokens of the rows of a task, of the first template and examples."""
    prompts = prompt_tokens(task, 0, tokenizer, FEW)
    answers = LABEL_TOKENS * len(task.labels) or ANSWER_TOKENS
    mean, longest = statistics.fmean(prompts) + answers, max(prompts)
    return RowTokens(mean=min(mean, context or mean), longest=min(longest, context or longest))

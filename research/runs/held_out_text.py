"""Plain text to measure language-model losses on: held-out text, and the task's inputs.

The unadapted backbone's losses on both show how far the task's text is from its pretraining data.
The adapted backbone's loss on held-out text shows what adapting has cost.
"""

from itertools import islice
from pathlib import Path

import numpy as np

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.common.tokenizer import Tokenizer
from research.evaluation.lm_loss import passages, plain_rows
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.tokenization import token_ids
from research.tasks.task import Task
from research.tasks.world.packing import token_stream
from research.tasks.world.tokenizer import BEGIN, END

WORLD = "world"  # in place of a file: the held-out part of the corpus of `world-1m`
PASSAGE = 128  # maximum tokens of a passage
PASSAGES = 24
TEXTS = 256  # inputs of a task, the first of its training pool
MOST_TOKENS = PASSAGE * TEXTS
MOST_CHARACTERS = 16 * MOST_TOKENS  # maximum read of a file


def read_held_out(source: str, tokenizer: Tokenizer) -> list[int]:
    """Token ids of a UTF-8 text file, or of the world's held-out documents; at most `MOST_TOKENS`.

    Raises InputError for a file that cannot be read or has too little text, and for the world with
    another tokenizer than that of `world-1m`.
    """
    if source == WORLD:
        if not {BEGIN, END} <= tokenizer.get_vocab().keys():
            allowed = "its documents are for the backbone world-1m; name a text file"
            raise InputError("held_out", source, allowed)
        return list(islice(token_stream(tokenizer, 0, "heldout"), MOST_TOKENS))
    try:
        with open(Path(resolve_path(source, "held_out")), encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("held_out", source, f"a UTF-8 text file is expected ({error})") from error
    ids = token_ids(tokenizer, [text])[0][:MOST_TOKENS]
    if len(ids) < PASSAGE:
        allowed = f"it has {len(ids)} tokens, and at least {PASSAGE} are needed"
        raise InputError("held_out", source, allowed)
    return ids


def held_out_passages(stream: list[int], size: int) -> Encoded:
    """Passages of `size` tokens of the held-out text."""
    return passages(stream, [size] * PASSAGES)


def task_text(task: Task, tokenizer: Tokenizer, size: int) -> Encoded:
    """The inputs of the task as plain text, without a prompt, truncated to `size` tokens."""
    texts = [example.text for example in task.pools.train[:TEXTS]]
    return plain_rows([ids[:size] for ids in token_ids(tokenizer, texts)])


def passages_as_long(stream: list[int], texts: Encoded) -> Encoded:
    """Passages of the held-out text with the lengths of `texts`.

    Losses are comparable only at equal lengths, since a token late in a row has more context.
    """
    return passages(stream, np.asarray(texts.length).tolist())

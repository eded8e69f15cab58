"""The questions file: the test rows of a task, to be answered elsewhere."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research.common.errors import InputError
from research.common.files import write_atomically
from research.common.hashing import canonical, sha256
from research.tasks.task import Task


def input_hash(fields: Mapping[str, str]) -> str:
    """The first 16 digits of the SHA-256 of the canonical JSON of an example's columns."""
    return sha256(canonical(dict(fields)).encode())[:16]


def questions(task: Task) -> list[dict[str, Any]]:
    """A row for each example of the test splits, without its label.

    A row has the split, the index of the example in it, the hash of the columns, the columns, and
    the prompt by the task's first template.
    """
    return [
        {
            "split": split,
            "index": index,
            "hash": input_hash(example.fields),
            "input": dict(example.fields),
            "prompt": task.templates[0].fill(example.fields),
        }
        for split, examples in task.tests.items()
        for index, example in enumerate(examples)
    ]


def write_questions(task: Task, folder: Path) -> Path:
    """Writes `<task>.jsonl` with the questions of the task; returns its path.

    Raises InputError for a file with other content, such as answers.
    """
    file = folder / f"{task.name}.jsonl"
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in questions(task)]
    content = "".join(lines).encode()
    if file.exists() and file.read_bytes() != content:
        allowed = "it exists with other content, such as answers; name another folder"
        raise InputError("questions", str(file), allowed)
    write_atomically(file, content)
    return file

"""GSM8K: word problems of grade school mathematics (Cobbe et al. 2021, arXiv 2110.14168)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.tasks.datasets.files import read_splits
from research.tasks.datasets.tables import StringTable, read_file
from research.tasks.datasets.text_files import after_marker
from research.tasks.decoding import Decoding
from research.tasks.example import Example, grouped
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.sampling import at_most
from research.tasks.task_settings import Outline, TaskSettings
from research.tasks.text_task import TextTask

MARKER = "####"  # before the answer, in the files and in every target
CALCULATION = re.compile(r"<<[^<>\n]*>>")  # of the authors' calculator


@dataclass(frozen=True, kw_only=True)
class GSM8KTask(TaskSettings):
    """Settings of GSM8K; each problem has a rationale, for rows with `rationale`.

    Attributes:
      folder: contains train.jsonl and test.jsonl as published; None for the dataset of the hub.
      name: of the task.
      most_test: number of test problems that are scored, a fixed random sample; None for all.
      calculations: whether rationales keep the annotations of a calculator, such as `<<48/2=24>>`.
      templates: prompts with the column `question`.
      end: text that ends a target.
      answer: regular expression that finds the answer; None: the rest of the line after the last
        `####`, as `strict-match` of lm-evaluation-harness, which takes the first.
      decoding: how texts are generated.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = ("question", "answer")

    folder: str | None = None
    name: str = "gsm8k"
    most_test: int | None = None
    calculations: bool = True
    templates: tuple[str, ...] = ("Question: {question}\nAnswer:",)
    end: str = "\n\n"
    answer: str | None = None
    decoding: Decoding = Decoding(max_new_tokens=256)

    def outline(self) -> Outline | None:
        """Outline of the dataset of the hub before it is downloaded; None for files."""
        templates = tuple(map(Template, self.templates))
        return Outline(self.name, (), templates) if self.folder is None else None

    def load(self) -> TextTask:
        """Raises InputError for files that are missing or in another format."""
        splits = {use: self._examples(table) for use, table in self._tables().items()}
        return TextTask(
            name=self.name,
            labels=(),
            templates=tuple(map(Template, self.templates)),
            verbalizer=FreeText(end=self.end),
            train=splits["train"],
            test=at_most(splits["test"], self.most_test),
            metric="number",
            answer=after_marker(MARKER) if self.answer is None else self.answer,
            decoding=self.decoding,
        )

    def _tables(self) -> Mapping[str, StringTable]:
        if self.folder is None:
            splits = {"train": "train", "test": "test"}
            return read_splits(splits, "openai/gsm8k", "main", self.COLUMNS)
        folder = resolve_path(self.folder, "folder")
        return {use: read_file(f"{folder}/{use}.jsonl") for use in ("train", "test")}

    def _examples(self, table: StringTable) -> tuple[Example, ...]:
        questions, answers = (table.column(name) for name in self.COLUMNS)
        solutions = [self._parts(table.source, text) for text in answers]
        pairs = [
            ({"question": question.strip()}, [f"{MARKER} {answer}"])
            for question, (_, answer) in zip(questions, solutions, strict=True)
        ]
        return grouped(pairs, [[rationale] for rationale, _ in solutions])

    def _parts(self, source: str, text: str) -> tuple[str, str]:
        """(rationale, answer) of a solution as published, without empty lines."""
        rationale, marker, answer = text.rpartition(MARKER)
        if not marker or not rationale.strip() or not answer.strip():
            allowed = f"a solution, {MARKER} and the answer are expected"
            raise InputError(f"answer in {source}", text, allowed)
        if not self.calculations:
            rationale = CALCULATION.sub("", rationale)
        lines = filter(None, map(str.strip, rationale.split("\n")))
        return "\n".join(lines), answer.strip()

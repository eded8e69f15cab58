"""MetaMathQA (Yu et al. 2024, arXiv 2309.12284) to train on, GSM8K to tune and test on, as in the
comparison of methods of Hugging Face PEFT.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from research.common.paths import resolve_path
from research.common.user_regex import last_group
from research.tasks.datasets.files import read_splits
from research.tasks.datasets.tables import StringTable, read_file
from research.tasks.datasets.text_files import after_pattern
from research.tasks.decoding import Decoding
from research.tasks.example import Example, grouped
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.sampling import at_most
from research.tasks.task_settings import Outline, TaskSettings
from research.tasks.text_task import TextTask

# The phrases before an answer that `parse_answer` of PEFT's utils.py looks for.
ANSWER = after_pattern("The (?:final )?answer is:?|####")


@dataclass(frozen=True, kw_only=True)
class MetaMathQATask(TaskSettings):
    """Settings of MetaMathQA and GSM8K.

    Attributes:
      name: of the task.
      train: JSON file with the columns query and response; None for the dataset of the hub.
      gsm8k: folder with train.jsonl and test.jsonl; None for the dataset of the hub.
      most_characters: longest query and response, with a space between, that is trained on.
      most_dev: number of problems of GSM8K's train split to tune on, a fixed random sample.
      most_test: number of test problems that are scored, a fixed random sample; None for all.
      templates: prompts with the column `question`.
      end: text that ends a target; "" for the EOS token.
      decoding: how texts are generated.
    """

    name: str = "metamathqa"
    train: str | None = None
    gsm8k: str | None = None
    most_characters: int = 1300
    most_dev: int = 50
    most_test: int | None = None
    templates: tuple[str, ...] = ("Question: {question} Think step by step.\nAnswer:",)
    end: str = ""
    decoding: Decoding = Decoding(max_new_tokens=300)

    def outline(self) -> Outline | None:
        """Outline of the datasets of the hub before they are downloaded; None for files."""
        templates = tuple(map(Template, self.templates))
        return None if self.train or self.gsm8k else Outline(self.name, (), templates)

    def load(self) -> TextTask:
        """Raises InputError for files that are missing or in another format."""
        solutions = self._gsm8k()
        return TextTask(
            name=self.name,
            labels=(),
            templates=tuple(map(Template, self.templates)),
            verbalizer=FreeText(end=self.end),
            train=self._train(),
            dev=at_most(_examples(solutions["train"], "question", "answer"), self.most_dev),
            test=at_most(_examples(solutions["test"], "question", "answer"), self.most_test),
            metric="number",
            answer=ANSWER,
            decoding=self.decoding,
        )

    def _train(self) -> tuple[Example, ...]:
        """The examples of MetaMathQA that are short enough and whose answer can be found."""
        if self.train is not None:
            table = read_file(resolve_path(self.train, "train"))
        else:
            columns = ("query", "response")
            splits = read_splits({"train": "train"}, "meta-math/MetaMathQA", None, columns)
            table = splits["train"]
        return _examples(table, "query", "response", self.most_characters)

    def _gsm8k(self) -> Mapping[str, StringTable]:
        if self.gsm8k is None:
            splits = {"train": "train", "test": "test"}
            return read_splits(splits, "openai/gsm8k", "main", ("question", "answer"))
        folder = resolve_path(self.gsm8k, "gsm8k")
        return {use: read_file(f"{folder}/{use}.jsonl") for use in ("train", "test")}


def _examples(
    table: StringTable, question: str, answer: str, most: int | None = None
) -> tuple[Example, ...]:
    """The examples of a table, at most `most` characters long; None for all."""
    rows = zip(table.column(question), table.column(answer), strict=True)
    return grouped(
        ({"question": query.strip()}, [response.strip()])
        for query, response in rows
        if most is None
        or (len(f"{query} {response}") <= most and last_group(ANSWER, response) is not None)
    )

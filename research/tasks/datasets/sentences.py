"""Sentences with a class before each, without splits: Subj, MR, CR and MPQA.

The files of Kim 2014 (arXiv 1408.5882, section 3.1), such as `subj.all` (Pang & Lee 2004).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from research.common.errors import InputError, check_whole
from research.common.paths import resolve_path
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.sampling import at_most
from research.tasks.task import Task
from research.tasks.task_settings import TaskSettings


@dataclass(frozen=True, kw_only=True)
class SentencesTask(TaskSettings):
    """Settings of a file with a class, a space and a sentence on each line.

    Papers cross-validate. Here a fixed random sample is the test split, the rest is train.

    Attributes:
      file: the file; bytes that are not UTF-8 become U+FFFD.
      verbalizer: text of each class, such as `{"0": "subjective", "1": "objective"}`.
      name: of the task.
      most_test: number of test examples.
      templates: prompts with the column `sentence`.
      metric: headline metric.
    """

    file: str
    verbalizer: Mapping[str, str]
    name: str = "sentences"
    most_test: int = 2000
    templates: tuple[str, ...] = ("{sentence}\nClass:",)
    metric: str = "accuracy"

    def load(self) -> Task:
        """Raises InputError for a file that is missing or in another format."""
        check_whole("most_test", self.most_test)
        examples = _examples(Path(resolve_path(self.file, "file")), self.verbalizer)
        test = at_most(examples, self.most_test)
        of_test = set(map(id, test))
        return Task(
            name=self.name,
            labels=tuple(self.verbalizer),
            templates=tuple(map(Template, self.templates)),
            verbalizer=Verbalizer(dict(self.verbalizer)),
            train=tuple(example for example in examples if id(example) not in of_test),
            test=test,
            metric=self.metric,
        )


def _examples(file: Path, texts: Mapping[str, str]) -> tuple[Example, ...]:
    try:
        lines = file.read_bytes().decode("utf-8", errors="replace").split("\n")
    except OSError as error:
        raise InputError("file", str(file), f"it cannot be read ({error.strerror})") from error
    examples = []
    for number, line in enumerate(lines, start=1):
        label, _, sentence = line.rstrip("\r").partition(" ")
        if not line.strip():
            continue
        if label not in texts or not sentence.strip():
            allowed = f"a class ({', '.join(texts)}), a space and a sentence are expected"
            raise InputError(f"line {number} of {file}", line[:80], allowed)
        examples.append(Example({"sentence": sentence.strip()}, label))
    return tuple(examples)

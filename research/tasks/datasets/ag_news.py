"""AG News: short news in four topics (Zhang et al. 2015, arXiv 1509.01626, section 3)."""

from dataclasses import dataclass
from pathlib import Path

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.tasks.datasets.tables import read_file
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.sampling import at_most
from research.tasks.task import Task
from research.tasks.task_settings import TaskSettings

# The label texts of classes 1 to 4 as published.
TEXTS: dict[str, str] = {
    "World": "world",
    "Sports": "sports",
    "Business": "business",
    "Sci/Tech": "technology",
}
TOPICS = tuple(TEXTS)


@dataclass(frozen=True, kw_only=True)
class AGNewsTask(TaskSettings):
    """Settings of AG News. A text is the title, a space and the description.

    Attributes:
      folder: contains the files.
      name: of the task.
      train: CSV as published (class from 1, title, description, no header), or JSON lines as on
        the hub (text, label from 0).
      test: in the same formats.
      most_test: number of test examples that are scored, a fixed random sample; None for all.
      templates: prompts with the column `text`.
      metric: headline metric.
    """

    folder: str
    name: str = "ag_news"
    train: str = "train.csv"
    test: str = "test.csv"
    most_test: int | None = None
    templates: tuple[str, ...] = (
        "{text}\nTopic:",
        "News: {text}\nThe topic is",
        "{text}\nThis is about",
    )
    metric: str = "accuracy"

    def load(self) -> Task:
        """Raises InputError for files that are missing or in another format."""
        folder = Path(resolve_path(self.folder, "folder"))
        test = at_most(_examples(folder / self.test), self.most_test)
        return Task(
            name=self.name,
            labels=TOPICS,
            templates=tuple(map(Template, self.templates)),
            verbalizer=Verbalizer(TEXTS),
            train=_examples(folder / self.train),
            test=test,
            metric=self.metric,
        )


def _examples(file: Path) -> tuple[Example, ...]:
    if file.suffix in (".jsonl", ".json"):
        table = read_file(str(file))
        texts, classes, first = table.column("text"), table.column("label"), 0
    else:
        table = read_file(str(file), columns=("class", "title", "description"))
        pairs = zip(table.column("title"), table.column("description"), strict=True)
        texts, classes, first = [" ".join(pair) for pair in pairs], table.column("class"), 1
    topics = {str(number): topic for number, topic in enumerate(TOPICS, start=first)}
    for number in classes:
        if number not in topics:
            raise InputError(f"class of {file}", number, f"allowed are {', '.join(topics)}")
    return tuple(
        Example({"text": text.strip()}, topics[number])
        for text, number in zip(texts, classes, strict=True)
    )

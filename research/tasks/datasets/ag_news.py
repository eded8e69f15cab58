"""AG News: short news in four topics (Zhang et al. 2015, arXiv 1509.01626, section 3)."""

from dataclasses import dataclass
from pathlib import Path

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.tasks.datasets.tables import read_file
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.sampling import at_most
from research.tasks.task import Example, Task, TaskSettings

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
    """folder: where the files are. train, test: CSV as published (class from 1, title, description,
    no header), or JSON lines as on the hub (text, label from 0). most_test: how many examples of
    test are scored, a fixed draw; None for all. A text is the title, a space and the description.
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
        """Raises InputError for files that are missing or of another form."""
        folder = Path(resolve_path(self.folder, "folder"))
        test = at_most(_examples(folder / self.test), self.most_test)
        return Task(
            self.name,
            TOPICS,
            tuple(map(Template, self.templates)),
            Verbalizer(TEXTS),
            _examples(folder / self.train),
            test,
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
    known = {str(number): topic for number, topic in enumerate(TOPICS, start=first)}
    for number in classes:
        if number not in known:
            raise InputError(f"class of {file}", number, f"allowed are {', '.join(known)}")
    return tuple(
        Example({"text": text.strip()}, known[number])
        for text, number in zip(texts, classes, strict=True)
    )

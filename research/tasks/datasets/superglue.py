"""Tasks of SuperGLUE whose answers are texts (Wang et al. 2019, arXiv 1905.00537)."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.tasks.datasets.tables import read_dataset, read_file
from research.tasks.decoding import Decoding
from research.tasks.prompts.template import Template
from research.tasks.task import Example, Outline, TaskSettings
from research.tasks.text_task import FreeText, Pair, TextTask, grouped


@dataclass(frozen=True, kw_only=True)
class SuperGLUETask(TaskSettings):
    """train, test, dev: JSON-lines files as SuperGLUE publishes them, or, with `path`, splits of a
    dataset of the hub, such as aps/super_glue, or in a local folder; without dev, it is drawn from
    train. Questions on one text stay apart where they are scored. words: those that a soft prompt
    may start from.
    """

    COLUMNS: ClassVar[tuple[str, ...]]  # of the dataset on the hub

    name: str
    train: str
    test: str
    dev: str | None = None
    path: str | None = None
    config_name: str | None = None
    templates: tuple[str, ...]
    words: tuple[str, ...] = ()
    end: str = "\n"
    metric: str
    decoding: Decoding = Decoding(max_new_tokens=32)

    @abstractmethod
    def pairs(self, row: Mapping[str, Any], use: str) -> Iterable[Pair]:
        """(fields, references) of the examples in a row of a split that is used as `use`."""

    def outline(self) -> Outline | None:
        """What a dataset of the hub is known to be before it is fetched."""
        if self.path is None:
            return None
        return Outline(self.name, (), tuple(map(Template, self.templates)), self.words)

    def load(self) -> TextTask:
        """Raises InputError for files that are missing or of another form."""
        named = {"train": self.train, "test": self.test, "dev": self.dev}
        given = {use: source for use, source in named.items() if source is not None}
        if self.path is None:
            tables = {use: read_file(resolve_path(file, use)) for use, file in given.items()}
        else:
            path = resolve_path(self.path, "path")
            tables = read_dataset(path, self.config_name, given, self.COLUMNS)
        splits = {}
        for use, table in tables.items():
            try:
                found = [pair for row in table.rows for pair in self.pairs(row, use)]
            except (KeyError, TypeError, ValueError, IndexError) as error:
                allowed = f"rows as SuperGLUE has them are expected ({error!r})"
                raise InputError(use, table.source, allowed) from error
            splits[use] = grouped(found) if use == "train" else _apart(found)
        return TextTask(
            self.name,
            (),
            tuple(map(Template, self.templates)),
            FreeText(end=self.end),
            splits["train"],
            splits["test"],
            splits.get("dev", ()),
            words=self.words,
            metric=self.metric,
            decoding=self.decoding,
        )


def _apart(pairs: Iterable[Pair]) -> tuple[Example, ...]:
    """An example for each pair."""
    return tuple(Example(fields, of[0] if of else "", tuple(of)) for fields, of in pairs)

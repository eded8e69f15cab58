"""Tasks of SuperGLUE (Wang et al. 2019, arXiv 1905.00537), and those whose answers are texts."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from research.common.errors import InputError
from research.tasks.datasets.files import read_splits
from research.tasks.datasets.tables import StringTable
from research.tasks.decoding import Decoding
from research.tasks.example import Example, Pair, grouped
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.task_settings import Outline, TaskSettings
from research.tasks.text_task import TextTask


@dataclass(frozen=True, kw_only=True)
class SuperGLUETask(TaskSettings):
    """Settings that the tasks share.

    Attributes:
      COLUMNS: columns of the dataset on the hub.
      name: of the task.
      train: JSON-lines file as published or, with `path`, name of a split.
      test: likewise.
      dev: likewise; None draws dev from train.
      path: dataset of the hub, such as aps/super_glue, or in a local folder.
      config_name: configuration of the dataset.
      templates: prompts.
      end: text that ends a target.
      metric: headline metric.
    """

    COLUMNS: ClassVar[tuple[str, ...]]

    name: str
    train: str
    test: str
    dev: str | None = None
    path: str | None = None
    config_name: str | None = None
    templates: tuple[str, ...]
    end: str = "\n"
    metric: str

    def examples(
        self, make: Callable[[StringTable, str], tuple[Example, ...]]
    ) -> dict[str, tuple[Example, ...]]:
        """The examples of each split: train, test and, where there is one, dev.

        Args:
          make: makes the examples of a split from its rows and its name.

        Raises InputError for files that are missing or in another format.
        """
        sources = {"train": self.train, "test": self.test, "dev": self.dev}
        splits = {}
        tables = read_splits(sources, self.path, self.config_name, self.COLUMNS)
        for use, table in tables.items():
            try:
                splits[use] = make(table, use)
            except InputError:
                raise
            except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
                allowed = f"rows in the format of SuperGLUE are expected ({error!r})"
                raise InputError(use, table.source, allowed) from error
        return splits


@dataclass(frozen=True, kw_only=True)
class SuperGLUETextTask(SuperGLUETask):
    """Settings of a task whose answers are texts. In dev and test each question is an example.

    Attributes:
      words: initial words of a soft prompt.
      decoding: how texts are generated.
    """

    words: tuple[str, ...] = ()
    decoding: Decoding = Decoding(max_new_tokens=32)

    @abstractmethod
    def pairs(self, row: Mapping[str, Any], use: str) -> Iterable[Pair]:
        """(fields, references) of the examples in a row; `use`: train, dev or test."""

    def outline(self) -> Outline | None:
        """Outline of a hub dataset before it is downloaded; None for files."""
        if self.path is None:
            return None
        return Outline(
            name=self.name,
            labels=(),
            templates=tuple(map(Template, self.templates)),
            words=self.words,
        )

    def load(self) -> TextTask:
        """Raises InputError for files that are missing or in another format."""
        splits = self.examples(self._examples)
        return TextTask(
            name=self.name,
            labels=(),
            templates=tuple(map(Template, self.templates)),
            verbalizer=FreeText(end=self.end),
            train=splits["train"],
            test=splits["test"],
            dev=splits.get("dev", ()),
            words=self.words,
            metric=self.metric,
            decoding=self.decoding,
        )

    def _examples(self, table: StringTable, use: str) -> tuple[Example, ...]:
        pairs = [pair for row in table.rows for pair in self.pairs(row, use)]
        return grouped(pairs) if use == "train" else _ungrouped(pairs)


def _ungrouped(pairs: Iterable[Pair]) -> tuple[Example, ...]:
    """One example per pair, without merging equal inputs."""
    return tuple(
        Example(fields, references[0] if references else "", tuple(references))
        for fields, references in pairs
    )

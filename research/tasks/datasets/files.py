"""Classification tasks from the user's own files, or from a Hugging Face dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.tasks.datasets.hub import read_dataset
from research.tasks.datasets.tables import StringTable, read_file
from research.tasks.prompts.template import Template, plain_templates
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.row_reader import RowReader
from research.tasks.task import Example, Task
from research.tasks.task_settings import Outline, TaskSettings


@dataclass(frozen=True, kw_only=True)
class Files:
    """Location of the examples, their columns and the prompts.

    Splits are CSV, TSV or JSON-lines files or, with `path`, splits of a dataset of the hub or in a
    local folder. Values are read as strings, unconverted.

    Attributes:
      name: of the task.
      train: file or split to train on.
      test: file or split to test on; required, since dev never serves as test.
      dev: file or split to tune on; None draws dev from train.
      ood: out-of-domain test file or split.
      path: hub id or folder of a dataset.
      config_name: configuration of the dataset.
      text: columns that the templates may use.
      templates: prompts; None makes them from the names of the columns.
      end: text that ends a target.
      columns: names for files without a header.
      delimiter: between cells; default by the suffix of the file.
      quoting: whether cells may be quoted; default yes in CSV, no in TSV.
      strip: removes white space around texts and labels.
      empty: whether a row without a text or an answer is an error or is skipped.
    """

    name: str
    train: str
    test: str | None = None
    dev: str | None = None
    ood: str | None = None
    path: str | None = None
    config_name: str | None = None
    text: str | tuple[str, ...] = "text"
    templates: str | tuple[str, ...] | None = None
    end: str = "\n"
    columns: tuple[str, ...] = ()
    delimiter: str | None = None
    quoting: bool | None = None
    strip: bool = True
    empty: Literal["error", "skip"] = "error"

    @property
    def texts(self) -> tuple[str, ...]:
        """Columns that the templates may use."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    @property
    def reader(self) -> RowReader:
        """Reads the columns of a row."""
        return RowReader(self.strip)

    def prompts(self, answer: str) -> tuple[Template, ...]:
        """The templates; default templates ask for the column `answer`."""
        if not self.texts or answer in self.texts or len(set(self.texts)) < len(self.texts):
            allowed = "at least one column, each once, and not the label's column"
            raise InputError("text", self.text, allowed)
        texts = (self.templates,) if isinstance(self.templates, str) else self.templates
        if texts is None:
            for name in (*self.texts, answer):
                if set(name) & set("{}:!") or not name:
                    allowed = "no template can name this column; rename it in the file"
                    raise InputError("column", name, allowed)
            texts = plain_templates(self.texts, answer)
        templates = tuple(map(Template, texts))
        for template in templates:
            template.check(self.texts)
        return templates

    def tables(
        self, answer: str, others: Sequence[str] = (), of_test: Sequence[str] = ()
    ) -> dict[str, StringTable]:
        """The table of each split, without the rows that are skipped.

        Args:
          answer: column that no row may lack.
          others: columns that may be empty.
          of_test: columns that no row of test may lack.
        """
        if self.test is None:
            raise InputError("test", None, "a file or split to test on is needed, besides dev")
        named = {"train": self.train, "test": self.test, "dev": self.dev, "ood": self.ood}
        sources = {use: source for use, source in named.items() if source is not None}
        if self.path is not None:
            path = resolve_path(self.path, "path")
            columns = (*self.texts, answer, *others, *of_test)
            tables = read_dataset(path, self.config_name, sources, columns)
        else:
            files = {use: resolve_path(file, use) for use, file in sources.items()}
            tables = {
                use: read_file(file, self.columns, self.delimiter, self.quoting)
                for use, file in files.items()
            }
        if self.empty == "error":
            return tables
        needed = (*self.texts, answer)
        return {
            use: table.without_empty((*needed, *of_test) if use == "test" else needed)
            for use, table in tables.items()
        }

    @staticmethod
    def skipped(tables: Mapping[str, StringTable]) -> dict[str, tuple[int, ...]]:
        """Numbers of the rows that are skipped, by split."""
        return {use: table.skipped for use, table in tables.items() if table.skipped}

    def fields(self, table: StringTable) -> list[dict[str, str]]:
        """The text columns of each row; InputError for an empty value."""
        if not table.rows:
            raise InputError("split", table.source, "it has no examples")
        columns = {name: self.filled(table, name) for name in self.texts}
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def filled(self, table: StringTable, name: str) -> list[str]:
        """The values of a column; InputError for an empty value."""
        values = self.values(table, name)
        empty = [row for row, value in enumerate(values, start=1) if not value.strip()]
        if empty:
            allowed = (
                f"{len(empty)} of {len(table.rows)} rows are empty there, the first is row "
                f"{empty[0]}; fill them, or skip such rows with the task's setting empty='skip'"
            )
            raise InputError(f"column of {table.source}", name, allowed)
        return values

    def values(self, table: StringTable, name: str) -> list[str]:
        """The values of a column."""
        return [self.reader.cleaned(value) for value in table.column(name)]


@dataclass(frozen=True, kw_only=True)
class FileTask(Files, TaskSettings):
    """Examples in files or in a dataset, with a label column as the answer.

    Attributes:
      label: column of the labels.
      group: column of test with each example's group, for the accuracy of the worst group.
      paraphrase: columns of test with the text in other words, one per column of `text`.
      verbalizer: label -> its text, or several, of which the first is trained on; its order is
        that of the labels. None: each label is its own text, in alphabetical order.
      metric: headline metric.
    """

    label: str = "label"
    group: str | None = None
    paraphrase: str | tuple[str, ...] | None = None
    verbalizer: Mapping[str, str | tuple[str, ...]] | None = None
    metric: str = "accuracy"

    def outline(self) -> Outline | None:
        """Outline of a hub dataset before it is downloaded; None for files, and where the labels
        have to be read from the examples.
        """
        if self.path is None or self.verbalizer is None:
            return None
        return Outline(
            name=self.name,
            labels=tuple(self.verbalizer),
            templates=self.prompts(self.label),
        )

    def load(self) -> Task:
        """Reads everything. Raises InputError for missing, empty, repeated or unknown values."""
        templates = self.prompts(self.label)
        tables = self.tables(self.label, of_test=self._test_columns)
        splits = {use: self._examples(table) for use, table in tables.items()}
        default = {label: label for label in sorted({e.label for e in splits["train"]})}
        texts = default if self.verbalizer is None else self.verbalizer
        verbalizer = Verbalizer(dict(texts), self.end)
        for split, examples in splits.items():
            _check_labels(split, {example.label for example in examples}, verbalizer)
        labels = tuple(verbalizer.texts)
        return Task(
            name=self.name,
            labels=labels,
            templates=templates,
            verbalizer=verbalizer,
            train=splits["train"],
            test=splits["test"],
            dev=splits.get("dev", ()),
            ood=splits.get("ood", ()),
            groups=self._groups(tables["test"]),
            paraphrases=self._paraphrases(tables["test"], splits["test"]),
            metric=self.metric,
            reader=self.reader,
            skipped=self.skipped(tables),
        )

    @property
    def _test_columns(self) -> tuple[str, ...]:
        """Columns required in test only."""
        columns = self._paraphrase_columns
        return columns if self.group is None else (*columns, self.group)

    @property
    def _paraphrase_columns(self) -> tuple[str, ...]:
        """Columns of the paraphrases, one per text column, or none."""
        names = self.paraphrase or ()
        columns = (names,) if isinstance(names, str) else tuple(names)
        if len(columns) not in (0, len(self.texts)):
            raise InputError("paraphrase", names, f"a column for each of {', '.join(self.texts)}")
        return columns

    def _groups(self, table: StringTable) -> tuple[str, ...]:
        return () if self.group is None else tuple(self.values(table, self.group))

    def _paraphrases(self, table: StringTable, test: Sequence[Example]) -> tuple[Example, ...]:
        """The paraphrased examples of test."""
        columns = [self.filled(table, name) for name in self._paraphrase_columns]
        return tuple(
            Example(dict(zip(self.texts, texts, strict=True)), example.label)
            for example, *texts in zip(test, *columns, strict=True)
            if texts
        )

    def _examples(self, table: StringTable) -> tuple[Example, ...]:
        read = self.values if "" in (self.verbalizer or ()) else self.filled
        fields, labels = self.fields(table), read(table, self.label)
        return tuple(map(Example, fields, labels))


def _check_labels(split: str, present: set[str], verbalizer: Verbalizer) -> None:
    """Raises InputError unless every label has a text, and train has every label."""
    unknown = sorted(present - set(verbalizer.texts))
    if unknown:
        allowed = f"the verbalizer has texts for {_listed(set(verbalizer.texts))} only"
        raise InputError(f"labels of {split}", unknown, allowed)
    for label, text in verbalizer.texts.items():
        if split == "train" and label not in present:
            allowed = f"no example of train has this label; there are {_listed(present)}"
            raise InputError(f"verbalizer[{label!r}]", text, allowed)


def _listed(labels: set[str], most: int = 20) -> str:
    """The first `most` labels in order, for a message."""
    first = sorted(labels)[:most]
    return ", ".join(map(repr, first)) + (", ..." if len(labels) > most else "")

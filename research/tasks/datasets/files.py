"""Tables of a task from the user's own files, or from a Hugging Face dataset."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.tasks.datasets.hub import read_dataset
from research.tasks.datasets.tables import StringTable, read_file
from research.tasks.prompts.template import Template, plain_templates
from research.tasks.row_reader import RowReader


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
        tables = read_splits(
            {"train": self.train, "test": self.test, "dev": self.dev, "ood": self.ood},
            self.path,
            self.config_name,
            (*self.texts, answer, *others, *of_test),
            partial(
                read_file, columns=self.columns, delimiter=self.delimiter, quoting=self.quoting
            ),
        )
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


def read_splits(
    sources: Mapping[str, str | None],
    path: str | None,
    config_name: str | None,
    columns: Sequence[str],
    read: Callable[[str], StringTable] = read_file,
) -> dict[str, StringTable]:
    """The table of each split that has a source.

    Args:
      sources: use (train, dev, test) -> its file or, with `path`, split of the dataset.
      path: hub id or folder of a dataset; None for files.
      config_name: configuration of the dataset.
      columns: to read from a dataset; files are read whole.
      read: reads a file.
    """
    named = {use: source for use, source in sources.items() if source is not None}
    if path is not None:
        return read_dataset(resolve_path(path, "path"), config_name, named, columns)
    files = {use: resolve_path(file, use) for use, file in named.items()}
    return {use: read(file) for use, file in files.items()}

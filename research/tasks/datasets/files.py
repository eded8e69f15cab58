"""Tasks from the user's own files, or from a Hugging Face dataset: where they are, and labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.tasks.datasets.tables import StringTable, read_dataset, read_file
from research.tasks.prompts.template import Template, plain_templates
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import Example, Outline, Task, TaskSettings


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where examples are, which columns templates may use and how a prompt is made of them.

    train, test, dev and ood are CSV, TSV or JSON-lines files, or, with `path`, splits of a dataset
    of the hub or in a local folder. Values are read as the strings they are. Without templates,
    prompts are made of the columns' names.
    """

    name: str
    train: str
    test: str | None = None  # required: nothing is ever tested on dev
    dev: str | None = None  # without one, dev is drawn from train
    ood: str | None = None
    path: str | None = None  # a dataset's hub id or folder
    config_name: str | None = None  # the dataset's configuration
    text: str | tuple[str, ...] = "text"  # the columns that the templates may use
    templates: str | tuple[str, ...] | None = None
    end: str = "\n"  # of a target
    columns: tuple[str, ...] = ()  # names for files without a header
    delimiter: str | None = None  # default: by the suffix of a file
    quoting: bool | None = None  # whether cells may stand in quotes; default: yes in CSV, no in TSV
    strip: bool = True  # drops white space around texts and labels

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that the templates may use."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    def prompts(self, answer: str) -> tuple[Template, ...]:
        """The templates; those made of names ask for the column `answer`."""
        if not self.texts or answer in self.texts or len(set(self.texts)) < len(self.texts):
            allowed = "at least one column, each once, and not that of the label"
            raise InputError("text", self.text, allowed)
        given = (self.templates,) if isinstance(self.templates, str) else self.templates
        if given is None:
            given = plain_templates(self.texts, answer)
        templates = tuple(map(Template, given))
        for template in templates:
            template.check(self.texts)
        return templates

    def tables(self, answers: Sequence[str]) -> dict[str, StringTable]:
        """The table of each split; `answers`: the columns besides the texts."""
        if self.test is None:
            raise InputError("test", None, "a file or split to test on is needed, besides dev")
        named = {"train": self.train, "test": self.test, "dev": self.dev, "ood": self.ood}
        given = {use: source for use, source in named.items() if source is not None}
        if self.path is not None:
            path = resolve_path(self.path, "path")
            return read_dataset(path, self.config_name, given, (*self.texts, *answers))
        files = {use: resolve_path(file, use) for use, file in given.items()}
        return {
            use: read_file(file, self.columns, self.delimiter, self.quoting)
            for use, file in files.items()
        }

    def fields(self, table: StringTable) -> list[dict[str, str]]:
        """The columns of each row that templates may use, none of them empty."""
        if not table.rows:
            raise InputError("split", table.source, "it has no examples")
        columns = {name: self.filled(table, name) for name in self.texts}
        rows = zip(*columns.values(), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def filled(self, table: StringTable, name: str) -> list[str]:
        """The values of a column, none of them empty."""
        values = self.values(table, name)
        empty = [row for row, value in enumerate(values, start=1) if not value.strip()]
        if empty:
            count = f"{len(empty)} of {len(table.rows)} rows are empty"
            allowed = f"{count}, the first is row {empty[0]}"
            raise InputError(f"column of {table.source}", name, allowed)
        return values

    def values(self, table: StringTable, name: str) -> list[str]:
        """The values of a column."""
        values = table.column(name)
        return [value.strip() for value in values] if self.strip else values


@dataclass(frozen=True, kw_only=True)
class FileTask(Files, TaskSettings):
    """Examples in files, or in a dataset, whose answer is the label in one column.

    Without a verbalizer, a label stands for itself. group and paraphrase are columns of test,
    which show how evenly an approach does.
    """

    label: str = "label"
    group: str | None = None  # the worst group of test is looked for
    paraphrase: str | tuple[str, ...] | None = None  # the text in other words, for each of `text`
    # label -> its text, or several of which the first is trained on; in the order of the labels
    verbalizer: Mapping[str, str | tuple[str, ...]] | None = None
    metric: str = "accuracy"

    def outline(self) -> Outline | None:
        """What a dataset of the hub is known to be before it is fetched; None where its examples
        have to tell, and for files, which are at hand.
        """
        if self.path is None or self.verbalizer is None:
            return None
        return Outline(self.name, tuple(self.verbalizer), self.prompts(self.label))

    def load(self) -> Task:
        """Reads everything. Raises InputError for what is missing, empty, repeated or unknown."""
        templates = self.prompts(self.label)
        tables = self.tables((self.label, *self._of_test))
        splits = {use: self._examples(table) for use, table in tables.items()}
        own_names = {label: label for label in sorted({one.label for one in splits["train"]})}
        named = own_names if self.verbalizer is None else self.verbalizer
        verbalizer = Verbalizer(dict(named), self.end)
        for split, examples in splits.items():
            _check_labels(split, {example.label for example in examples}, verbalizer)
        labels = tuple(verbalizer.texts)
        return Task(
            self.name,
            labels,
            templates,
            verbalizer,
            splits["train"],
            splits["test"],
            splits.get("dev", ()),
            splits.get("ood", ()),
            groups=self._groups(tables["test"]),
            paraphrases=self._paraphrases(tables["test"], splits["test"]),
            metric=self.metric,
        )

    @property
    def _of_test(self) -> tuple[str, ...]:
        """The columns that only test has to have."""
        own = self._other_words
        return own if self.group is None else (*own, self.group)

    @property
    def _other_words(self) -> tuple[str, ...]:
        """The columns of paraphrases, one for each column of texts, or none."""
        own = self.paraphrase or ()
        columns = (own,) if isinstance(own, str) else tuple(own)
        if len(columns) not in (0, len(self.texts)):
            raise InputError("paraphrase", own, f"a column for each of {', '.join(self.texts)}")
        return columns

    def _groups(self, table: StringTable) -> tuple[str, ...]:
        return () if self.group is None else tuple(self.values(table, self.group))

    def _paraphrases(self, table: StringTable, test: Sequence[Example]) -> tuple[Example, ...]:
        """The examples of test in other words."""
        columns = [self.filled(table, name) for name in self._other_words]
        return tuple(
            Example(dict(zip(self.texts, texts, strict=True)), example.label)
            for example, *texts in zip(test, *columns, strict=True)
            if texts
        )

    def _examples(self, table: StringTable) -> tuple[Example, ...]:
        fields, labels = self.fields(table), self.values(table, self.label)
        return tuple(map(Example, fields, labels))


def _check_labels(split: str, present: set[str], verbalizer: Verbalizer) -> None:
    """Raises InputError unless every label has a text, and train has every label."""
    unknown = sorted(present - set(verbalizer.texts))
    if unknown:
        allowed = f"the verbalizer has texts for {_some(set(verbalizer.texts))} only"
        raise InputError(f"labels of {split}", unknown, allowed)
    for label, text in verbalizer.texts.items():
        if split == "train" and label not in present:
            allowed = f"no example of train has this label; there are {_some(present)}"
            raise InputError(f"verbalizer[{label!r}]", text, allowed)


def _some(labels: set[str], most: int = 20) -> str:
    """The labels in order, as far as a sentence can hold them."""
    shown = sorted(labels)[:most]
    return ", ".join(map(repr, shown)) + (", ..." if len(labels) > most else "")

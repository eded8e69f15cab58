"""A task from the user's own files, or from a Hugging Face dataset."""

from collections.abc import Mapping
from dataclasses import dataclass

from research.errors import InputError
from research.paths import located
from research.tasks.tables import Table, read_dataset, read_file
from research.tasks.task import Example, Task
from research.tasks.template import Template, plain_templates
from research.tasks.verbalizer import Verbalizer


@dataclass(frozen=True, kw_only=True)
class FileTask:
    """Where the examples are, which columns matter and how a prompt is made of them.

    train, test, dev and ood are CSV, TSV or JSON-lines files, or, with `path`, splits of a dataset
    of the hub or in a local folder. Values are read as the strings they are. Without templates,
    prompts are made of the columns' names; without a verbalizer, a label stands for itself.
    group and paraphrase are columns of test, which show how evenly an approach does.
    """

    name: str
    train: str
    test: str | None = None  # required: nothing is ever tested on dev
    dev: str | None = None  # without one, dev is drawn from train
    ood: str | None = None
    path: str | None = None  # a dataset's hub id or folder
    config_name: str | None = None  # the dataset's configuration
    text: str | tuple[str, ...] = "text"  # the columns that the templates may use
    label: str = "label"
    group: str | None = None  # the worst group of test is looked for
    paraphrase: str | tuple[str, ...] | None = None  # the text in other words, for each of `text`
    templates: str | tuple[str, ...] | None = None
    verbalizer: Mapping[str, str] | None = None  # label -> text; in the order of the labels
    end: str = "\n"  # of a target
    metric: str = "accuracy"
    columns: tuple[str, ...] = ()  # names for files without a header
    delimiter: str | None = None  # default: by the suffix of a file
    quoting: bool | None = None  # whether cells may stand in quotes; default: yes in CSV, no in TSV
    strip: bool = True  # drops white space around texts and labels

    def load(self) -> Task:
        """Reads everything. Raises InputError for what is missing, empty, repeated or unknown."""
        texts = (self.text,) if isinstance(self.text, str) else tuple(self.text)
        if not texts or self.label in texts:
            raise InputError("text", self.text, "at least one column, and not that of the label")
        templates = self._templates(texts)
        tables = self._tables((*texts, self.label, *self._of_test(texts)))
        splits = {use: self._examples(table, texts) for use, table in tables.items()}
        own_names = {label: label for label in sorted({one.label for one in splits["train"]})}
        named = own_names if self.verbalizer is None else self.verbalizer
        verbalizer = Verbalizer(dict(named), self.end)
        for split, examples in splits.items():
            _check_labels(split, {example.label for example in examples}, verbalizer)
        labels = tuple(verbalizer.texts)
        groups, others = self._groups(tables["test"]), self._paraphrases(tables["test"], texts)
        return Task(
            self.name,
            labels,
            templates,
            verbalizer,
            groups=groups,
            paraphrases=others,
            metric=self.metric,
            **splits,
        )

    def _of_test(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        """The columns that only test has to have."""
        own = self.paraphrase or ()
        columns = (own,) if isinstance(own, str) else tuple(own)
        if len(columns) not in (0, len(texts)):
            raise InputError("paraphrase", own, f"a column for each of {', '.join(texts)}")
        return columns if self.group is None else (*columns, self.group)

    def _groups(self, table: Table) -> tuple[str, ...]:
        return () if self.group is None else tuple(self._values(table, self.group))

    def _paraphrases(self, table: Table, texts: tuple[str, ...]) -> tuple[Example, ...]:
        """The examples of test with their other texts in place of `texts`."""
        if self.paraphrase is None:
            return ()
        columns = self._of_test(texts)[: len(texts)]
        return tuple(
            Example(dict(zip(texts, example.fields.values(), strict=True)), example.label)
            for example in self._examples(table, columns)
        )

    def _templates(self, texts: tuple[str, ...]) -> tuple[Template, ...]:
        prompts = (self.templates,) if isinstance(self.templates, str) else self.templates
        if prompts is None:
            prompts = plain_templates(texts, self.label)
        templates = tuple(map(Template, prompts))
        for template in templates:
            template.check(texts)
        return templates

    def _tables(self, columns: tuple[str, ...]) -> dict[str, Table]:
        if self.test is None:
            raise InputError("test", None, "a file or split to test on is needed, besides dev")
        named = {"train": self.train, "test": self.test, "dev": self.dev, "ood": self.ood}
        given = {use: source for use, source in named.items() if source is not None}
        if self.path is not None:
            path = located(self.path, "path")
            return read_dataset(path, self.config_name, given, columns)
        files = {use: located(file, use) for use, file in given.items()}
        return {
            use: read_file(file, self.columns, self.delimiter, self.quoting)
            for use, file in files.items()
        }

    def _examples(self, table: Table, texts: tuple[str, ...]) -> tuple[Example, ...]:
        if not table.rows:
            raise InputError("split", table.source, "it has no examples")
        columns = {name: self._values(table, name) for name in (*texts, self.label)}
        for name in texts:
            empty = [row for row, value in enumerate(columns[name], start=1) if not value.strip()]
            if empty:
                count = f"{len(empty)} of {len(table.rows)} rows are empty"
                allowed = f"{count}, the first is row {empty[0]}"
                raise InputError(f"column of {table.source}", name, allowed)
        labels = columns.pop(self.label)
        rows = zip(*columns.values(), strict=True)
        return tuple(
            Example(dict(zip(texts, row, strict=True)), label)
            for row, label in zip(rows, labels, strict=True)
        )

    def _values(self, table: Table, name: str) -> list[str]:
        values = table.column(name)
        return [value.strip() for value in values] if self.strip else values


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

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
    templates: str | tuple[str, ...] | None = None
    # label -> its text, or several of which the first is trained on; in the order of the labels
    verbalizer: Mapping[str, str | tuple[str, ...]] | None = None
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
        splits = {use: self._examples(table, texts) for use, table in self._tables(texts).items()}
        own_names = {label: label for label in sorted({one.label for one in splits["train"]})}
        named = own_names if self.verbalizer is None else self.verbalizer
        verbalizer = Verbalizer(dict(named), self.end)
        for split, examples in splits.items():
            _check_labels(split, {example.label for example in examples}, verbalizer)
        labels = tuple(verbalizer.texts)
        return Task(self.name, labels, templates, verbalizer, metric=self.metric, **splits)

    def _templates(self, texts: tuple[str, ...]) -> tuple[Template, ...]:
        prompts = (self.templates,) if isinstance(self.templates, str) else self.templates
        if prompts is None:
            prompts = plain_templates(texts, self.label)
        templates = tuple(map(Template, prompts))
        for template in templates:
            template.check(texts)
        return templates

    def _tables(self, texts: tuple[str, ...]) -> dict[str, Table]:
        if self.test is None:
            raise InputError("test", None, "a file or split to test on is needed, besides dev")
        named = {"train": self.train, "test": self.test, "dev": self.dev, "ood": self.ood}
        given = {use: source for use, source in named.items() if source is not None}
        if self.path is not None:
            path = located(self.path, "path")
            return read_dataset(path, self.config_name, given, (*texts, self.label))
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

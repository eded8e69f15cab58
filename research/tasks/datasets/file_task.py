"""Classification tasks from the user's own files, or from a Hugging Face dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from research.common.errors import InputError
from research.tasks.datasets.files import Files
from research.tasks.datasets.tables import StringTable
from research.tasks.example import Example
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.task import Task
from research.tasks.task_settings import Outline, TaskSettings


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

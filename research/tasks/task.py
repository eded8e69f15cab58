"""A task: labelled examples, prompt templates and a verbalizer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import Literal

from research.common.errors import InputError, check_choice
from research.common.hashing import sha256
from research.tasks.example import Example, examples_to_json
from research.tasks.metrics.classification import METRICS
from research.tasks.pools import Pools, pools_without
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.row_reader import RowReader

# Words of text metrics: "latin" as each metric defines them, "unicode" also those of other scripts,
# see `research.tasks.words`.
MetricWords = Literal["latin", "unicode"]


@dataclass(frozen=True)
class Task:
    """A classification task. Raises InputError for inconsistent parts.

    Attributes:
      name: unique within an experiment.
      labels: in the order of the class indices.
      templates: prompt templates.
      verbalizer: texts of the labels.
      train: pool of train, and of dev where `dev` is empty.
      test: test split.
      dev: pool of dev.
      ood: test split of another domain.
      groups: group of each test example, for the score of the worst group.
      paraphrases: the test examples in other words.
      metric: headline metric; all metrics are recorded.
      words: initial words of a soft prompt where there are no labels.
      reader: reads the columns of further rows, as those of the examples were read.
      skipped: numbers of the rows that are no examples since a cell is empty, by split.
      separator: text between a demonstration and the next, in a prompt that is no chat.
    """

    name: str
    labels: tuple[str, ...]
    templates: tuple[Template, ...]
    verbalizer: Verbalizer
    train: tuple[Example, ...]
    test: tuple[Example, ...]
    dev: tuple[Example, ...] = ()
    ood: tuple[Example, ...] = ()
    groups: tuple[str, ...] = ()
    paraphrases: tuple[Example, ...] = ()
    metric: str = "accuracy"
    words: tuple[str, ...] = ()
    reader: RowReader = RowReader(strip=False)
    skipped: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    separator: str = "\n"

    def __post_init__(self) -> None:
        self._check_answers()
        texts = [template.text for template in self.templates]
        if not texts or len(set(texts)) < len(texts):
            raise InputError("templates", texts, "at least one template, each once")
        for split in ("train", "test"):
            if not getattr(self, split):
                raise InputError(f"{self.name}.{split}", (), "a split needs at least one example")
        for split, examples in {**self.splits, **self.tests}.items():
            self._check(split, examples)
        for name in ("groups", "paraphrases"):
            count = len(getattr(self, name))
            if count not in (0, len(self.test)):
                allowed = f"one for each of the {len(self.test)} examples of test, or none"
                raise InputError(f"{self.name}.{name}", count, allowed)
        if [p.label for p in self.paraphrases] != [e.label for e in self.test] and self.paraphrases:
            allowed = "other words do not change the label: those of test are expected"
            raise InputError(f"labels of {self.name}.paraphrases", "others", allowed)

    def _check_answers(self) -> None:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise InputError("labels", self.labels, "at least two labels, each named once")
        check_choice("metric", self.metric, METRICS)
        for label in self.labels:
            self.verbalizer.target(label)

    def _check(self, split: str, examples: tuple[Example, ...]) -> None:
        unknown = sorted({example.label for example in examples} - set(self.labels))
        if self.labels and unknown:
            allowed = f"labels of {self.name} are {', '.join(self.labels)}"
            raise InputError(f"labels of {split}", unknown, allowed)
        for columns in {tuple(example.fields) for example in examples}:
            for template in self.templates:
                template.check(columns)

    def check_template(self, index: int) -> None:
        """Raises InputError for a number that no template has."""
        if not 0 <= index < len(self.templates):
            allowed = f"task {self.name} has the templates 0 to {len(self.templates) - 1}"
            raise InputError("template", index, allowed)

    @cached_property
    def metric_words(self) -> MetricWords | None:
        """The words that text metrics count; None where no answer is a text."""
        return None

    @property
    def strata(self) -> tuple[str | None, ...]:
        """The labels that draws are balanced over, or None for all examples together."""
        return self.labels or (None,)

    def stratum(self, example: Example) -> str:
        """The one of `strata` that an example belongs to, where there are several."""
        return example.label

    @property
    def is_scored(self) -> bool:
        """Whether an answer is chosen by the scores of texts, those of labels or of choices."""
        return bool(self.labels)

    @property
    def splits(self) -> dict[str, tuple[Example, ...]]:
        """Examples by split."""
        return {"train": self.train, "dev": self.dev, "test": self.test, "ood": self.ood}

    @property
    def tests(self) -> dict[str, tuple[Example, ...]]:
        """Splits that only test evaluation reads: test, and ood and paraphrases if present."""
        others = {"ood": self.ood, "paraphrases": self.paraphrases}
        return {
            "test": self.test,
            **{split: examples for split, examples in others.items() if examples},
        }

    @cached_property
    def checksum(self) -> str:
        """SHA-256 over the whole task; the same on every platform."""
        return task_checksum(self._content())

    @cached_property
    def test_checksum(self) -> str:
        """SHA-256 over the test examples."""
        return task_checksum(examples_to_json(self.test))

    def _content(self) -> dict[str, object]:
        """Input of the checksum."""
        optional = {
            "groups": list(self.groups),
            "paraphrases": examples_to_json(self.paraphrases),
            "words": list(self.words),
            "separator": "" if self.separator == "\n" else [self.separator],
        }
        return {
            **{name: value for name, value in optional.items() if value},
            "name": self.name,
            "labels": self.labels,
            "templates": [template.text for template in self.templates],
            "verbalizer": [self._targets(label) for label in self.labels],
            "metric": self.metric,
            "splits": {
                split: examples_to_json(examples) for split, examples in self.splits.items()
            },
        }

    def _targets(self, label: str) -> str | list[str]:
        """The targets of a label; a string where there is only one."""
        targets = [self.verbalizer.target(label, i) for i in range(len(self.verbalizer.all(label)))]
        return targets if targets[1:] else targets[0]

    @cached_property
    def pools(self) -> Pools:
        """train and dev without duplicates and without texts of `tests`, which would leak."""
        return pools_without(chain(*self.tests.values()), self.train, self.dev)


def task_checksum(value: object) -> str:
    """SHA-256, in hex, of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return sha256(text.encode("ascii"))

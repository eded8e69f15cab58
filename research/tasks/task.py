"""A task: labelled examples, the prompts they are put in and the texts of their labels."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

from research.common.errors import InputError, choose_from
from research.tasks.metrics.classification import METRICS
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer


@dataclass(frozen=True)
class Example:
    """The columns a template may use, and the label.

    references: where the answer is a text, all right ones; the label is the first.
    """

    fields: Mapping[str, str]
    label: str
    references: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All columns, one after the other."""
        return " ".join(self.fields.values())


class Pools(NamedTuple):
    """What may be drawn from: no text stands twice, and none of them in a test split."""

    train: tuple[Example, ...]
    dev: tuple[Example, ...]  # empty: dev is drawn from train
    dropped: int  # examples left out of train and dev for that reason


class Outline(NamedTuple):
    """What is known of a task without its examples."""

    name: str
    labels: tuple[str, ...]
    templates: tuple[Template, ...]
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """A classification task. Raises InputError where its parts do not fit together."""

    name: str
    labels: tuple[str, ...]  # their order is the order of the class indices
    templates: tuple[Template, ...]
    verbalizer: Verbalizer
    train: tuple[Example, ...]  # train is drawn from it, and dev unless there is a pool for dev
    test: tuple[Example, ...]
    dev: tuple[Example, ...] = ()
    ood: tuple[Example, ...] = ()  # test split of another domain
    groups: tuple[str, ...] = ()  # of the examples of test, of which the worst is looked for
    paraphrases: tuple[Example, ...] = ()  # the examples of test in other words
    metric: str = "accuracy"  # the headline; all metrics are recorded
    words: tuple[str, ...] = ()  # what a soft prompt may start from where there are no labels

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
            given = len(getattr(self, name))
            if given not in (0, len(self.test)):
                allowed = f"one for each of the {len(self.test)} examples of test, or none"
                raise InputError(f"{self.name}.{name}", given, allowed)
        if [p.label for p in self.paraphrases] != [e.label for e in self.test] and self.paraphrases:
            allowed = "other words do not change the label: those of test are expected"
            raise InputError(f"labels of {self.name}.paraphrases", "others", allowed)

    def _check_answers(self) -> None:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise InputError("labels", self.labels, "at least two labels, each named once")
        if self.metric not in METRICS:
            raise InputError("metric", self.metric, choose_from(METRICS, self.metric))
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

    @property
    def strata(self) -> tuple[str | None, ...]:
        """What draws are balanced over: the labels, or None for all examples together."""
        return self.labels or (None,)

    @property
    def splits(self) -> dict[str, tuple[Example, ...]]:
        """The examples by the name of their split."""
        return {"train": self.train, "dev": self.dev, "test": self.test, "ood": self.ood}

    @property
    def tests(self) -> dict[str, tuple[Example, ...]]:
        """What only tested runs meet, and once: test, and if there are some ood and paraphrases."""
        others = {"ood": self.ood, "paraphrases": self.paraphrases}
        return {"test": self.test, **{split: found for split, found in others.items() if found}}

    @cached_property
    def checksum(self) -> str:
        """sha256 over everything in the task; the same on every platform."""
        return task_checksum(self._content())

    def _content(self) -> dict[str, object]:
        """What the checksum is made of."""
        optional = {
            "groups": list(self.groups),
            "paraphrases": examples_to_json(self.paraphrases),
            "words": list(self.words),
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
        """The targets of a label; the one, where there is one."""
        found = [self.verbalizer.target(label, i) for i in range(len(self.verbalizer.all(label)))]
        return found if found[1:] else found[0]

    @cached_property
    def pools(self) -> Pools:
        """train and dev without what would leak: repeated texts, and texts of `tests`."""
        seen = {text_key(example) for examples in self.tests.values() for example in examples}
        dev = _unseen(self.dev, seen)
        train = _unseen(self.train, seen)
        dropped = len(self.dev) + len(self.train) - len(dev) - len(train)
        return Pools(train, dev, dropped)


@runtime_checkable
class TaskSettings(Protocol):
    """Settings of a task, as `TASKS` registers them: a frozen dataclass of plain values.

    Attributes:
      name: unique within an experiment.
    """

    name: str

    def load(self) -> Task:
        """Read or generate the task."""
        ...

    def outline(self) -> Outline | None:
        """Describe the task without reading its examples; None where that is not possible."""
        return None


def text_key(example: Example) -> tuple[str, ...]:
    """What makes two texts the same: case and white space aside, all fields are equal."""
    return tuple(
        " ".join(example.fields[name].casefold().split()) for name in sorted(example.fields)
    )


def _unseen(examples: Iterable[Example], seen: set[tuple[str, ...]]) -> tuple[Example, ...]:
    """Those with a text not in `seen`, which grows by them."""
    kept = []
    for example in examples:
        key = text_key(example)
        if key not in seen:
            seen.add(key)
            kept.append(example)
    return tuple(kept)


def examples_to_json(examples: Iterable[Example]) -> list[list[object]]:
    """Examples as JSON values, for checksums."""
    return [
        [dict(one.fields), one.label, *([list(one.references)] if one.references else [])]
        for one in examples
    ]


def task_checksum(value: object) -> str:
    """sha256, in hex, of a JSON value in its one canonical form."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()

"""COPA: which of two sentences is the cause or the effect of a premise (Roemmele et al. 2011)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from research.common.errors import InputError
from research.tasks.choice_task import Balance, ChoiceTask, choice_example
from research.tasks.datasets.superglue import SuperGLUETask
from research.tasks.datasets.tables import StringTable
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.task_settings import Outline

CONNECTORS = {"cause": "because", "effect": "therefore"}


@dataclass(frozen=True, kw_only=True)
class COPATask(SuperGLUETask):
    """COPA in the format of SuperGLUE, with the prompts of lm-evaluation-harness.

    The premise loses its end mark and "because" or "therefore" follows; the choices begin in lower
    case.

    Attributes:
      templates: prompts with the columns premise, connector and question.
      balance: over what few-shot draws are balanced, see `ChoiceTask`.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = ("premise", "choice1", "choice2", "question", "label")

    name: str = "copa"
    config_name: str | None = "copa"
    templates: tuple[str, ...] = ("{premise} {connector}",)
    end: str = ""
    metric: str = "accuracy"
    balance: Balance = "none"

    def outline(self) -> Outline | None:
        """Outline of a hub dataset before it is downloaded; None for files."""
        if self.path is None:
            return None
        templates = tuple(map(Template, self.templates))
        return Outline(name=self.name, labels=(), templates=templates, has_choices=True)

    def load(self) -> ChoiceTask:
        """Raises InputError for files that are missing or in another format."""
        splits = self.examples(_examples)
        return ChoiceTask(
            name=self.name,
            labels=(),
            templates=tuple(map(Template, self.templates)),
            verbalizer=FreeText(end=self.end),
            train=splits["train"],
            test=splits["test"],
            dev=splits.get("dev", ()),
            metric=self.metric,
            balance=self.balance,
        )


def _examples(table: StringTable, use: str) -> tuple[Example, ...]:
    del use
    rows = enumerate(table.rows, start=1)
    return tuple(_example(row, f"row {number} of {table.source}") for number, row in rows)


def _example(row: Mapping[str, Any], where: str) -> Example:
    """The example of a row. On the hub the label is the name of its class, choice1 or choice2."""
    names = {"0": 0, "1": 1, "choice1": 0, "choice2": 1}
    label = str(row["label"])
    if label not in names:
        raise InputError(f"label of {where}", label, "0 or 1 is expected")
    fields = {
        "premise": row["premise"].strip()[:-1],
        "connector": CONNECTORS[row["question"]],
        "question": row["question"],
    }
    choices = [_lower_start(row[name].strip()) for name in ("choice1", "choice2")]
    return choice_example(fields, choices, names[label], where)


def _lower_start(text: str) -> str:
    """The text with its first character in lower case."""
    return text[:1].lower() + text[1:]

"""Multiple-choice tasks from the user's own files, or from a Hugging Face dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from research.common.errors import InputError, check_choice
from research.tasks.choice_task import Balance, ChoiceTask, choice_example
from research.tasks.datasets.choice_rows import FORMS, AnswerForm, ChoiceRow, choice_rows
from research.tasks.datasets.files import Files
from research.tasks.datasets.tables import StringTable
from research.tasks.example import Example
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.task_settings import Outline, TaskSettings


@dataclass(frozen=True, kw_only=True)
class ChoiceFileTask(Files, TaskSettings):
    """Examples in files or in a dataset, each with its own choices and the right one of them.

    Attributes:
      text: columns that the templates may use.
      choices: column with a list of choices, or a column for each choice, where a row has fewer if
        some are empty. A dot leads into a column of objects, as in `choices.text`. A list in a CSV
        cell is JSON.
      answer: column of the right choice.
      answer_form: whether that is the choice's text, its letter or its index; `auto` is the form
        that names a choice in most rows of all splits.
      first_index: index of the first choice, where answers are indices.
      wrong: whether a row whose choices or answer cannot be used is an error or is skipped.
      balance: over what few-shot draws are balanced, see `ChoiceTask`.
      end: text that ends a choice in its target.
      metric: headline metric.
    """

    text: str | tuple[str, ...] = "question"
    choices: str | tuple[str, ...] = "choices"
    answer: str = "answer"
    answer_form: Literal["auto", "text", "letter", "index"] = "auto"
    first_index: int = 0
    wrong: Literal["error", "skip"] = "error"
    balance: Balance = "none"
    end: str = ""
    metric: str = "accuracy"

    def outline(self) -> Outline | None:
        """Outline of a hub dataset before it is downloaded; None for files."""
        if self.path is None:
            return None
        templates = self.prompts(self.answer)
        return Outline(name=self.name, labels=(), templates=templates, has_choices=True)

    def load(self) -> ChoiceTask:
        """Reads everything. Raises InputError for missing, empty and unusable values."""
        check_choice("answer_form", self.answer_form, ("auto", *get_args(AnswerForm)))
        check_choice("wrong", self.wrong, ("error", "skip"))
        templates = self.prompts(self.answer)
        names = (self.choices,) if isinstance(self.choices, str) else tuple(self.choices)
        tables = self.tables(self.answer, others=[name.split(".")[0] for name in names])
        rows = {
            use: choice_rows(table, self.fields(table), names, self.answer, self.reader)
            for use, table in tables.items()
        }
        form = self._form([row for split in rows.values() for row in split])
        splits: dict[str, tuple[Example, ...]] = {}
        skipped: dict[str, tuple[int, ...]] = {}
        for use, table in tables.items():
            splits[use], wrong = self._examples(rows[use], form, table)
            if numbers := sorted({*table.skipped, *wrong}):
                skipped[use] = tuple(numbers)
        return ChoiceTask(
            name=self.name,
            labels=(),
            templates=templates,
            verbalizer=FreeText(end=self.end),
            train=splits["train"],
            test=splits["test"],
            dev=splits.get("dev", ()),
            ood=splits.get("ood", ()),
            metric=self.metric,
            balance=self.balance,
            reader=self.reader,
            skipped=skipped,
        )

    def _form(self, rows: Sequence[ChoiceRow]) -> AnswerForm:
        """The form of the answers; of forms that name equally many choices the first."""
        if self.answer_form != "auto":
            return self.answer_form
        return max(
            FORMS,
            key=lambda form: sum(row.right(form, self.first_index) is not None for row in rows),
        )

    def _examples(
        self, rows: Sequence[ChoiceRow], form: AnswerForm, table: StringTable
    ) -> tuple[tuple[Example, ...], list[int]]:
        """(examples, numbers of the rows that are skipped)."""
        examples: list[Example] = []
        skipped: list[int] = []
        for row in rows:
            try:
                examples.append(self._example(row, form, f"row {row.number} of {table.source}"))
            except InputError:
                if self.wrong == "error":
                    raise
                skipped.append(row.number)
        return tuple(examples), skipped

    def _example(self, row: ChoiceRow, form: AnswerForm, where: str) -> Example:
        """The example of a row. Raises InputError for choices and answers that cannot be used."""
        texts = tuple(text for text in row.choices if text is not None)
        right = row.right(form, self.first_index)
        if right is None and len(texts) > 1:
            named = {
                "text": "the text of one of its choices",
                "letter": "the letter of one of its choices, from A",
                "index": f"the index of one of its choices, from {self.first_index}",
            }[form]
            allowed = f"{named} is expected; such rows are skipped with the setting wrong='skip'"
            raise InputError(f"answer of {where}", row.answer, allowed)
        return choice_example(row.fields, texts, texts.index(right) if right else 0, where)
